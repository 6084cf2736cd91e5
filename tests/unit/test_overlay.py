"""The picture of a patient: outlines lie on the CT they were drawn on, and every plane is seen from its side."""

import numpy as np
import pytest
from lunggtv.evaluate.overlay import COLUMNS, draw_overlay
from lunggtv.figures import LABEL_COLOUR, PREDICTION_COLOUR
from matplotlib.colors import to_rgba

SHAPE, SPACING_MM = (20, 40, 60), (5.0, 2.0, 1.5)
LABEL = (slice(5, 8), slice(8, 14), slice(40, 52))
DRAFT = (slice(5, 9), slice(6, 12), slice(36, 48))


@pytest.fixture(scope="module")
def figure():
    ct = np.full(SHAPE, -1000, np.int16)
    ct[LABEL] = 300
    label, draft = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    label[LABEL] = draft[DRAFT] = 1
    return draw_overlay(ct, label, draft, SPACING_MM, "Patient 7")


def ends_mm(block, axis):
    """Where a block of voxels begins and ends along an axis, voxel centres lying at index times spacing."""
    return [(block[axis].start - 0.5) * SPACING_MM[axis], (block[axis].stop - 0.5) * SPACING_MM[axis]]


def outline(axes, colour):
    """Ends of the line of a colour: horizontal and vertical, in mm."""
    (line,) = [one for one in axes.collections if tuple(one.get_edgecolor()[0]) == to_rgba(colour)]
    points = np.concatenate([path.vertices for path in line.get_paths()])
    return [points[:, 0].min(), points[:, 0].max()], [points[:, 1].min(), points[:, 1].max()]


def bright(axes):
    """Ends of what is bright in the CT, from the picture's own extent."""
    (image,) = axes.images
    left, right, bottom, top = image.get_extent()
    rows, columns = np.nonzero(image.get_array() == 300)
    height, width = image.get_array().shape
    horizontal = left + (right - left) * np.array([columns.min(), columns.max() + 1]) / width
    vertical = top + (bottom - top) * np.array([rows.min(), rows.max() + 1]) / height
    return list(horizontal), list(vertical)


@pytest.mark.parametrize("column", range(len(COLUMNS)))
def test_ct_label_and_draft_lie_where_they_are(figure, column):
    plane = COLUMNS[column][0]
    axes = figure.axes[column]  # the first row: the slice with the largest label
    for found, block in (
        (bright(axes), LABEL), (outline(axes, LABEL_COLOUR), LABEL), (outline(axes, PREDICTION_COLOUR), DRAFT),
    ):  # fmt: skip
        horizontal, vertical = found
        # The line runs half-way between voxel centres, the block ends there.
        assert horizontal == pytest.approx(ends_mm(block, plane.horizontal))
        assert vertical == pytest.approx(ends_mm(block, plane.vertical))


@pytest.mark.parametrize(
    ("column", "sides"),
    [(0, "RLAP"), (1, "RLAP"), (2, "RLHF"), (3, "APHF")],
    ids=["lung", "soft", "coronal", "sagittal"],
)
def test_letters_name_the_sides_of_the_patient(figure, column, sides):
    """In LPS x grows to the left, y to the back, z to the head."""
    plane, axes = COLUMNS[column][0], figure.axes[column]
    assert "".join(plane.letters) == sides
    grows = {0: ("F", "H"), 1: ("A", "P"), 2: ("R", "L")}
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    assert left < right and (sides[0], sides[1]) == grows[plane.horizontal]
    low, high = grows[plane.vertical]
    assert (sides[3], sides[2]) == ((low, high) if bottom < top else (high, low))
    shown = {text.get_text(): text.get_position() for text in axes.texts}
    assert shown[sides[0]][0] < shown[sides[1]][0] and shown[sides[3]][1] < shown[sides[2]][1]


@pytest.mark.parametrize("column", range(len(COLUMNS)))
def test_each_plane_shows_label_and_draft_in_the_middle_with_room_around(figure, column):
    """The first row's centre is that of label and draft together, y 10 and x 44, on slice 5."""
    plane, axes = COLUMNS[column][0], figure.axes[column]
    centre_mm = np.multiply((5, 9.5, 43.5), SPACING_MM)
    for ends, axis in ((axes.get_xlim(), plane.horizontal), (axes.get_ylim(), plane.vertical)):
        assert np.mean(ends) == pytest.approx(centre_mm[axis], abs=SPACING_MM[axis])
        assert abs(ends[1] - ends[0]) == 100.0, "masks of 25 mm and 30 mm around, but never less than 10 cm"


@pytest.mark.parametrize("column", range(len(COLUMNS)))
def test_windows_are_what_they_say(figure, column):
    (image,) = figure.axes[column].images
    assert image.get_clim() == ((-160, 240) if column == 1 else (-1350, 150))


def test_headings_tell_slice_and_areas_and_the_planes_go_through_what_is_wrong():
    """Pixels of 1 cm2; the worst other slice is centred on its wrong pixels: rows 20 to 22, columns 10 to 14."""
    label, draft = np.zeros((10, 30, 30), np.uint8), np.zeros((10, 30, 30), np.uint8)
    label[2, 3:7, 3:8] = draft[2, 3:7, 3:6] = 1
    label[7, 20:22, 10:12] = draft[7, 20:23, 10:15] = 1
    figure = draw_overlay(np.zeros(label.shape, np.int16), label, draft, (5.0, 10.0, 10.0), "Patient 7")
    assert [text.get_text() for text in figure.texts] == [
        "Patient 7",
        "Largest slice: 3 of 10 from the feet up; label 20.0 cm², draft 12.0 cm², differing 8.0 cm²",
        "Worst other slice: 8 of 10 from the feet up; label 4.0 cm², draft 15.0 cm², differing 11.0 cm²",
    ]
    centres = [
        (np.mean(axes.get_xlim()), np.mean(axes.get_ylim())) for axes in (figure.axes[0], figure.axes[4])
    ]
    assert centres == [pytest.approx((50, 40)), pytest.approx((130, 210))]
    # The row's own slice is shown.
    for row, rows in ((0, (3, 7)), (1, (20, 22))):
        assert outline(figure.axes[4 * row], LABEL_COLOUR)[1] == pytest.approx([10 * n - 5 for n in rows])


def test_where_no_other_slice_differs_the_second_row_shows_the_tumour():
    """The first of those that are as right as any: rows 20 to 23, columns 4 to 7."""
    label = np.zeros((4, 40, 40), np.uint8)
    label[:2, 20:24, 4:8] = 1
    draft = label.copy()
    draft[1, 20:24, 8:12] = label[1, 24, 4:8] = 1
    figure = draw_overlay(np.zeros(label.shape, np.int16), label, draft, (5.0, 10.0, 10.0), "")
    assert figure.texts[2].get_text() == (
        "Worst other slice: 1 of 4 from the feet up; label 16.0 cm², draft 16.0 cm², differing 0.0 cm²"
    )
    axes = figure.axes[4]
    assert np.mean(axes.get_xlim()) == pytest.approx(55, abs=5)
    assert np.mean(axes.get_ylim()) == pytest.approx(215, abs=5)


def test_every_panel_says_what_it_is_and_how_large(figure):
    names = [axes.texts[0].get_text() for axes in figure.axes]
    lung, mediastinum = "lung (centre -600, width 1500 HU)", "mediastinum (centre 40, width 400 HU)"
    assert names == [f"axial, {lung}", f"axial, {mediastinum}", f"coronal, {lung}", f"sagittal, {lung}"] * 2
    for axes in figure.axes:
        (bar,) = [line for line in axes.get_lines() if line.get_color() == "white"]
        assert np.ptp(bar.get_xdata()) * 100 == pytest.approx(20.0) and np.ptp(bar.get_ydata()) == 0.0
        assert axes.texts[-1].get_text() == "20 mm"
    (legend,) = figure.legends
    handles = {line.get_label(): line for line in legend.legend_handles}
    assert {name: line.get_color() for name, line in handles.items()} == {
        "label (physician)": LABEL_COLOUR, "draft (model)": PREDICTION_COLOUR
    }  # fmt: skip
    assert [line.is_dashed() for line in handles.values()] == [False, True]


def test_the_view_holds_the_largest_masks_up_to_a_limit():
    def seen_mm(columns: int) -> float:
        mask = np.zeros((3, 40, 200), np.uint8)
        mask[1, 18:20, :columns] = 1
        figure = draw_overlay(np.zeros(mask.shape, np.int16), mask, mask, (5.0, 2.0, 2.0), "")
        return float(np.ptp(figure.axes[0].get_xlim()))

    assert [seen_mm(columns) for columns in (0, 10, 50, 190)] == [240.0, 100.0, 160.0, 240.0]
