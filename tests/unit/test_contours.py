"""Contours on the slices of a CT: where they go, what is left out or moved, and that it is told."""

import numpy as np
import pytest
from lunggtv.geometry import Grid
from lunggtv.ingest.dicom.contour_planes import Contour, ContourOffGrid
from lunggtv.ingest.dicom.contours import Drawing, UndrawableRoi, draw_rois

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
GRID = Grid((5, 12, 16), (3.0, 0.9, 1.1), (-50.0, -40.0, -30.0), AXIAL)
TOLERANCE_MM = 0.1


def rectangle(y0: float, y1: float, x0: float, x1: float) -> np.ndarray:
    return np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)], dtype=float)


def contour(polygon: np.ndarray, z: float, grid: Grid = GRID) -> Contour:
    return Contour(grid.point_mm(np.column_stack([np.full(len(polygon), z), polygon])))


def found(drawing: Drawing, code: str) -> list[tuple[int, tuple[int, ...], int]]:
    """ROI, slices and count of the findings of one code."""
    return [(one.roi, one.slices, one.count) for one in drawing.findings if one.code == code]


def test_contour_goes_to_its_slice_in_any_direction_of_points() -> None:
    polygon = rectangle(2.5, 5.5, 3.5, 9.5)
    for one in (contour(polygon, 2.0), contour(polygon[::-1], 2.0), contour(np.roll(polygon, 1, 0), 2.0)):
        drawing = draw_rois([[one]], GRID, TOLERANCE_MM)
        assert drawing.mask.dtype == np.uint8
        assert np.argwhere(drawing.mask.any(axis=(1, 2))).tolist() == [[2]]
        assert drawing.mask[2, 3:6, 4:10].all()
        assert drawing.mask.sum() == drawing.roi_voxels[0] == 3 * 6


def test_oblique_grid_draws_through_its_own_axes() -> None:
    angle = np.radians(20)
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    ) @ np.array([[1, 0, 0], [0, np.cos(0.3), -np.sin(0.3)], [0, np.sin(0.3), np.cos(0.3)]])
    oblique = Grid(GRID.shape, GRID.spacing_mm, (11.0, -7.0, 300.0), tuple(turn.reshape(-1)))
    polygon = rectangle(2.5, 5.5, 3.5, 9.5)
    straight = draw_rois([[contour(polygon, z)] for z in range(5)], GRID, TOLERANCE_MM)
    turned = draw_rois([[contour(polygon, z, oblique)] for z in range(5)], oblique, TOLERANCE_MM)
    np.testing.assert_array_equal(turned.mask, straight.mask)


def test_rois_are_joined_where_contours_of_one_roi_cut_holes() -> None:
    outer, inner = contour(rectangle(0.5, 8.5, 0.5, 8.5), 1), contour(rectangle(2.5, 6.5, 2.5, 6.5), 1)
    one = draw_rois([[outer, inner]], GRID, TOLERANCE_MM)
    two = draw_rois([[outer], [inner]], GRID, TOLERANCE_MM)
    assert one.mask.sum() == 8 * 8 - 4 * 4
    assert two.mask.sum() == 8 * 8
    assert two.roi_voxels == (64, 16)


def test_a_contour_given_twice_does_not_cut_itself_out() -> None:
    points = contour(rectangle(2.5, 5.5, 3.5, 9.5), 1)
    drawing = draw_rois([[points, points]], GRID, TOLERANCE_MM)
    assert drawing.mask.sum() == 18
    assert found(drawing, "repeated_contours") == [(0, (1,), 1)]


def test_contours_of_thinner_slices_do_not_cut_each_other_out() -> None:
    # Planes every half slice: slice 2 takes the plane at 2.0 alone, not those at 1.5 (goes up) and 2.5.
    polygon = rectangle(2.5, 5.5, 3.5, 9.5)
    drawing = draw_rois([[contour(polygon, z) for z in (1.0, 1.5, 2.0, 2.5, 3.0)]], GRID, TOLERANCE_MM)
    assert drawing.mask.sum(axis=(1, 2)).tolist() == [0, 18, 18, 18, 0]
    assert found(drawing, "contours_between_slices") == [(0, (2, 3), 2)]
    assert drawing.off_slice_mm == pytest.approx(0)


@pytest.mark.parametrize("rounding_vox", [0.0, 0.004])
def test_planes_of_thinner_slices_are_known_in_spite_of_rounded_heights(rounding_vox) -> None:
    outer, inner = rectangle(0.5, 8.5, 0.5, 8.5), rectangle(2.5, 6.5, 2.5, 6.5)
    planes = [(contour(outer, z), contour(inner, z + rounding_vox)) for z in (1.0, 1.5, 2.0, 2.5, 3.0)]
    drawing = draw_rois([[one for plane in planes for one in plane]], GRID, TOLERANCE_MM)
    assert drawing.mask.sum(axis=(1, 2)).tolist() == [0, 48, 48, 48, 0]
    assert found(drawing, "holes") == [(0, (1, 2, 3), 3)]


def test_a_hole_on_a_plane_that_differs_by_rounding_stays_a_hole() -> None:
    outer, inner = contour(rectangle(0.5, 8.5, 0.5, 8.5), 1.005), contour(rectangle(2.5, 6.5, 2.5, 6.5), 1.0)
    assert draw_rois([[outer, inner]], GRID, TOLERANCE_MM).mask.sum() == 64 - 16


def test_distance_to_the_slice_is_told() -> None:
    drawing = draw_rois([[contour(rectangle(2.5, 5.5, 3.5, 9.5), 2.3)]], GRID, TOLERANCE_MM)
    assert drawing.mask[2].sum() == 18
    assert drawing.off_slice_mm == pytest.approx(0.3 * 3.0)


def test_slices_left_without_contour_are_counted() -> None:
    polygon = rectangle(2.5, 5.5, 3.5, 9.5)
    drawing = draw_rois([[contour(polygon, z) for z in (0, 1, 4)]], GRID, TOLERANCE_MM)
    assert found(drawing, "slices_without_contour") == [(0, (2, 3), 2)]
    # Two lesions of one ROI that do not lie above each other: nothing is missing between them.
    apart = [contour(polygon, 0), contour(rectangle(7.5, 9.5, 0.5, 2.5), 4)]
    assert found(draw_rois([apart], GRID, TOLERANCE_MM), "slices_without_contour") == []


def test_one_slice_without_contour_is_a_gap_too() -> None:
    polygon = rectangle(2.5, 5.5, 3.5, 9.5)
    drawing = draw_rois([[contour(polygon, z) for z in (0, 2)]], GRID, TOLERANCE_MM)
    assert found(drawing, "slices_without_contour") == [(0, (1,), 1)]


BESIDE, WITHIN_Y, WITHIN_X = (-20.5, -10.5), (2.5, 5.5), (3.5, 9.5)


@pytest.mark.parametrize(
    ("y", "x"),
    [(BESIDE, WITHIN_X), ((12.5, 20.5), WITHIN_X), (WITHIN_Y, BESIDE), (WITHIN_Y, (16.5, 30.5))],
    ids=["anterior", "posterior", "right", "left"],
)  # fmt: skip
def test_a_contour_wholly_beside_the_pixels_is_off_the_grid_on_every_side(y, x) -> None:
    inside = contour(rectangle(*WITHIN_Y, *WITHIN_X), 1)
    with pytest.raises(ContourOffGrid) as caught:
        draw_rois([[inside], [inside, contour(rectangle(*y, *x), 1)]], GRID, TOLERANCE_MM)
    assert (caught.value.roi, caught.value.leaning) == (1, False)


def test_contour_cut_by_the_image_edge_is_counted() -> None:
    drawing = draw_rois([[contour(rectangle(2.5, 5.5, 10.5, 20.5), 2)]], GRID, TOLERANCE_MM)
    assert found(drawing, "contours_cut") == [(0, (2,), 1)]
    assert drawing.mask.sum() == 3 * 5


@pytest.mark.parametrize("z", [-0.52, 4.52])
def test_half_a_slice_and_the_tolerance_beyond_the_ends_is_still_inside(z: float) -> None:
    drawing = draw_rois([[contour(rectangle(2.5, 5.5, 3.5, 9.5), z)]], GRID, TOLERANCE_MM)
    assert drawing.mask[0 if z < 0 else 4].sum() == 18


@pytest.mark.parametrize("z", [-0.6, 4.6, 40.0])
def test_contour_beyond_the_ends_is_refused(z: float) -> None:
    inside = contour(rectangle(2.5, 5.5, 3.5, 9.5), 1)
    with pytest.raises(ContourOffGrid) as caught:
        draw_rois([[inside], [contour(rectangle(2.5, 5.5, 3.5, 9.5), z)]], GRID, TOLERANCE_MM)
    assert (caught.value.roi, caught.value.leaning) == (1, False)


def test_contour_beside_the_image_is_refused() -> None:
    with pytest.raises(ContourOffGrid) as caught:
        draw_rois([[contour(rectangle(2.5, 5.5, 30.5, 40.5), 1)]], GRID, TOLERANCE_MM)
    assert not caught.value.leaning


def test_contour_of_another_orientation_is_refused() -> None:
    sagittal = Contour(GRID.point_mm([(0, 2, 5), (3, 2, 5), (3, 8, 5), (0, 8, 5)]))
    with pytest.raises(ContourOffGrid) as caught:
        draw_rois([[sagittal]], GRID, TOLERANCE_MM)
    assert caught.value.leaning


def test_a_gap_is_seen_although_another_lesion_has_a_contour_there() -> None:
    lesion, other = rectangle(1.5, 4.5, 1.5, 4.5), rectangle(7.5, 10.5, 9.5, 13.5)
    contours = [contour(lesion, z) for z in (0, 1, 3)] + [contour(other, z) for z in range(5)]
    assert found(draw_rois([contours], GRID, TOLERANCE_MM), "slices_without_contour") == [(0, (2,), 1)]
    # A part that ends while the rest of its lesion grows over it leaves no gap.
    contours = [
        contour(lesion, 0),
        contour(other, 0),
        contour(other, 1),
        contour(rectangle(1.5, 10.5, 1.5, 13.5), 2),
    ]
    contours += [contour(rectangle(1.5, 10.5, 3.5, 10.5), 0)]
    assert found(draw_rois([contours], GRID, TOLERANCE_MM), "slices_without_contour") == []


def test_a_lesion_drawn_between_slices_alone_is_not_lost() -> None:
    lesion, other = rectangle(1.5, 4.5, 1.5, 4.5), rectangle(7.5, 10.5, 9.5, 13.5)
    # Every plane of the second lesion lies a little beside one of the first, which is nearer to the slice.
    contours = [contour(lesion, z) for z in (1, 2, 3)] + [contour(other, z + 0.3) for z in (1, 2, 3)]
    drawing = draw_rois([contours], GRID, TOLERANCE_MM)
    assert drawing.mask.sum(axis=(1, 2)).tolist() == [0, 9 + 12, 9 + 12, 9 + 12, 0]
    assert found(drawing, "parts_between_slices") == [(0, (1, 2, 3), 3)]
    assert found(drawing, "contours_between_slices") == []


def test_findings_name_their_roi_and_slices() -> None:
    outer, inner = rectangle(0.5, 8.5, 0.5, 8.5), rectangle(2.5, 6.5, 2.5, 6.5)
    across = rectangle(4.5, 10.5, 4.5, 12.5)
    first = [contour(outer, z) for z in (0, 1, 2)] + [contour(inner, 1)]
    second = [contour(outer, 3), contour(across, 3), contour(rectangle(4.1, 4.2, 4.1, 4.2), 2)]
    drawing = draw_rois([first, second], GRID, TOLERANCE_MM)
    assert found(drawing, "holes") == [(0, (1,), 1)]
    assert found(drawing, "crossing_contours") == [(1, (3,), 2)]
    assert found(drawing, "contours_without_voxels") == [(1, (2,), 1)]
    assert drawing.mask[3].sum() == 8 * 8 + 6 * 8 - 4 * 4
    assert drawing.roi_voxels == (3 * 64 - 16, 96)


def test_exclusive_contours_are_taken_away_from_one_another() -> None:
    outer, across = rectangle(0.5, 8.5, 0.5, 8.5), rectangle(4.5, 10.5, 4.5, 12.5)
    both = [Contour(contour(one, 1).points, exclusive=True) for one in (outer, across)]
    drawing = draw_rois([both], GRID, TOLERANCE_MM)
    assert drawing.mask.sum() == 8 * 8 + 6 * 8 - 2 * 4 * 4
    assert [(one.code, one.count) for one in drawing.findings] == [("exclusive_crossing", 2)]


def test_a_contour_that_leans_within_its_slice_tells_how_far() -> None:
    points = rectangle(2.5, 5.5, 3.5, 9.5)
    index = np.column_stack([[2.0, 2.0, 2.2, 2.2], points])
    drawing = draw_rois([[Contour(GRID.point_mm(index))]], GRID, TOLERANCE_MM)
    assert drawing.off_slice_mm == pytest.approx(0.2 * 3.0)


def test_contours_without_end_are_refused() -> None:
    to_and_fro = np.tile([(0.0, 1.0), (11.0, 2.0)], (200_000, 1))
    with pytest.raises(UndrawableRoi) as caught:
        draw_rois([[contour(rectangle(2, 5, 3, 9), 1)], [contour(to_and_fro, 1)]], GRID, TOLERANCE_MM)
    assert (caught.value.roi, caught.value.folded) == (1, False)


def test_planes_a_little_off_each_other_are_one() -> None:
    """An outline and its hole, a lesion and its lobe, 0.2 mm apart in height on slices of 3 mm."""
    outer, inner = rectangle(0.5, 8.5, 0.5, 8.5), rectangle(2.5, 6.5, 2.5, 6.5)
    across = rectangle(4.5, 10.5, 4.5, 12.5)
    for first, second in ((0.0, 0.07), (0.07, 0.0)):
        holed = [contour(outer, z + first) for z in (1, 2)] + [contour(inner, z + second) for z in (1, 2)]
        drawing = draw_rois([holed], GRID, TOLERANCE_MM)
        assert drawing.mask.sum() == 2 * (64 - 16)
        lobed = [contour(outer, z + first) for z in (1, 2)] + [contour(across, z + second) for z in (1, 2)]
        assert draw_rois([lobed], GRID, TOLERANCE_MM).mask.sum() == 2 * (64 + 48 - 16)


@pytest.mark.parametrize("step", [0.2, 0.5])
def test_thin_slices_are_a_series_even_with_a_gap(step: float) -> None:
    large, small = rectangle(1.5, 7.5, 1.5, 7.5), rectangle(2.5, 6.5, 2.5, 6.5)
    heights = [z for z in np.arange(0, 4.01, step) if not 1.3 < z < 1.7]
    contours = [contour(large if abs(z - round(z)) < 1e-6 else small, z) for z in heights]
    drawing = draw_rois([contours], GRID, TOLERANCE_MM)
    assert drawing.mask.sum(axis=(1, 2)).tolist() == [36] * 5


def test_planes_halfway_between_slices_all_go_the_same_way() -> None:
    noise = [1e-5, -1e-5, 0.0, -1e-5]
    contours = [
        contour(rectangle(2.5, 5.5, 3.5, 9.5), z + 0.5 + off) for z, off in zip(range(4), noise, strict=True)
    ]
    assert draw_rois([contours], GRID, TOLERANCE_MM).mask.sum(axis=(1, 2)).tolist() == [0, 18, 18, 18, 18]


def test_a_folded_contour_is_refused() -> None:
    square = rectangle(2.5, 9.5, 2.5, 9.5)
    dense = np.vstack(
        [np.linspace(a, b, 30, endpoint=False) for a, b in zip(square, np.roll(square, -1, 0), strict=True)]
    )
    folded = np.vstack([dense, dense[::-1]])
    with pytest.raises(UndrawableRoi) as caught:
        draw_rois([[contour(square, 1), contour(folded, 2)]], GRID, TOLERANCE_MM)
    assert (caught.value.roi, caught.value.folded) == (0, True)


def test_outlines_through_pixel_centres_are_told() -> None:
    """As OpenCV traces a mask of 5 x 7 pixels: through the middles of its border pixels."""
    traced = rectangle(3, 7, 4, 10)
    sides = zip(traced, np.roll(traced, -1, axis=0), strict=True)
    ring = np.rint(np.vstack([np.linspace(a, b, 5)[:-1] for a, b in sides]))
    drawing = draw_rois([[contour(ring, z) for z in (1, 2)]], GRID, TOLERANCE_MM)
    assert found(drawing, "contours_on_centres") == [(0, (1, 2), 2)]
    assert drawing.mask.sum() == 2 * 4 * 6
    band = np.vstack([ring, ring[::-1]])
    assert found(draw_rois([[contour(band, 1)]], GRID, TOLERANCE_MM), "contours_on_centres") == [(0, (1,), 1)]
    plain = draw_rois([[contour(rectangle(2.5, 7.5, 3.5, 10.5), z) for z in range(5)]], GRID, TOLERANCE_MM)
    assert found(plain, "contours_on_centres") == []
