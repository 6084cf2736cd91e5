"""The picture of a crop: CT, lungs, GTV and box lie where they are, in every plane, with the head up."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from lunggtv.cache.cache_settings import Margins
from lunggtv.cache.crop_picture import (
    BACKGROUND,
    BOX,
    GAP,
    GREYS,
    GTV,
    LINE_HEIGHT,
    LOST,
    PANEL_HEIGHT,
    PLANES,
    TEXT,
    Scene,
    _annotate,
    _legend,
    _palette,
    _panel,
    _point_of_interest,
    draw_crop,
)
from lunggtv.cache.crop_record import crop_record, heading_of, remarks_of
from lunggtv.cache.gtv_losses import Losses
from lunggtv.cache.lung_box import Crop, Remark
from lunggtv.geometry import Grid

SHAPE, SPACING_MM = (21, 41, 63), (5.0, 2.0, 1.5)
FACTORS = (1, 2, 4)  # the last row and the last three columns of the CT are in no shrunken voxel
FRAME = (slice(1, 20), slice(2, 40), slice(4, 62))
TUMOUR = (slice(4, 7), slice(8, 14), slice(40, 52))
LUNG = (slice(3, 9), slice(6, 30), slice(8, 56))
BOX_START, BOX_SHAPE = (2, 4, 6), (10, 30, 52)
MIDDLE = (5, 10, 44)


@pytest.fixture(scope="module")
def scene():
    ct = np.full(SHAPE, -1000, np.int16)
    ct[TUMOUR] = 300
    label = np.zeros(SHAPE, np.uint8)
    label[TUMOUR] = 1
    lungs = np.zeros(tuple(n // f for n, f in zip(SHAPE, FACTORS, strict=True)), np.uint8)
    lungs[tuple(slice(part.start // f, part.stop // f) for part, f in zip(LUNG, FACTORS, strict=True))] = 1
    grid = Grid(SHAPE, SPACING_MM, (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    return Scene(ct, grid, BOX_START, BOX_SHAPE, lungs, FACTORS, label, FRAME)


def place(part, axis, scale, height):
    """Top, bottom, left and right of a block of voxels in a panel's pixels; its last row is the feet's."""
    across = [other for other in range(3) if other != axis]
    ends = []
    for other in across:
        pixel = SPACING_MM[other] * scale
        ends.append(
            [
                (part[other].start - FRAME[other].start) * pixel,
                (part[other].stop - FRAME[other].start) * pixel,
            ]
        )
    rows, columns = ends
    if across[0] == 0:
        rows = [height - rows[1], height - rows[0]]
    return [*rows, *columns]


def drawn_place(pixels, top):
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    return [rows[0] - top, rows[-1] + 1 - top, columns[0], columns[-1] + 1]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_thing_lies_where_it_is(scene, axis):
    panel, scale = _panel(scene, np.zeros_like(scene.label), axis, MIDDLE[axis])
    pixels = np.asarray(panel)
    rows = 1 if axis == 0 else 0
    height = (FRAME[rows].stop - FRAME[rows].start) * SPACING_MM[rows] * scale
    top = (pixels.shape[0] - round(height)) // 2
    box = [slice(a, a + n) for a, n in zip(BOX_START, BOX_SHAPE, strict=True)]
    bright = (pixels % GREYS == GREYS - 1) & (pixels < 2 * GREYS)
    tumour = place(TUMOUR, axis, scale, height)
    assert drawn_place(pixels == GTV, top) == pytest.approx(tumour, abs=1.5)
    assert drawn_place(bright, top) == pytest.approx(tumour, abs=3.5), "the outline covers its border"
    tinted = (pixels >= GREYS) & (pixels < 2 * GREYS)
    assert drawn_place(tinted, top) == pytest.approx(place(LUNG, axis, scale, height), abs=1.5)
    assert drawn_place(pixels == BOX, top) == pytest.approx(place(box, axis, scale, height), abs=1.5)


def test_the_picture_has_the_three_planes_side_by_side_and_the_words_around_them(scene):
    remark = "the body's box was taken: no lungs were found"
    picture = np.asarray(draw_crop(scene, "Patient 7", [remark, "second"]))
    plain = np.asarray(draw_crop(scene, "", []))
    assert picture.shape[0] == plain.shape[0] + 2 * LINE_HEIGHT
    left = 0
    for axis in range(3):
        panel = np.asarray(_panel(scene, np.zeros_like(scene.label), axis, MIDDLE[axis])[0])
        shown = picture[LINE_HEIGHT : LINE_HEIGHT + PANEL_HEIGHT, left : left + panel.shape[1]]
        # All but the letters and the scale bar.
        assert np.mean(shown == panel) > 0.9
        left += panel.shape[1] + GAP
    assert left - GAP == picture.shape[1]
    lines = [picture[:LINE_HEIGHT], *np.split(picture[-2 * LINE_HEIGHT :], 2)]
    assert all((line == TEXT).sum() > 50 for line in lines), "heading and both remarks"
    assert not (plain[:LINE_HEIGHT] == TEXT).any()


def test_letters_stand_at_the_sides_of_the_patient(scene):
    """Columns of axial and coronal planes run to the patient's left, of sagittal ones to the back; the head is up."""
    placed = []
    pen = SimpleNamespace(
        text=lambda place, text, **_: placed.append((text, *place)), rectangle=lambda *_, **__: None,
        textbbox=lambda *_, **__: (0, 0, 0, 0),
    )  # fmt: skip
    for plane, (left, right, top, bottom) in zip(PLANES, ("RLAP", "RLHF", "APHF"), strict=True):
        placed.clear()
        _annotate(pen, None, (100, 20, 300, 280), plane, 1.0)
        at = {text: place for text, *place in placed}
        assert at[left][0] < 200 < at[right][0] and at[left][1] == at[right][1] == 150
        assert at[top][1] < 150 < at[bottom][1] and at[top][0] == at[bottom][0] == 200
    assert [name for name, _ in PLANES] == ["axial", "coronal", "sagittal"]


def test_planes_go_through_what_matters_most(scene):
    """The lost part of the GTV, else the GTV, else the lungs, else the middle."""
    lost = np.zeros_like(scene.label)
    lost[18, 3, 5:8] = 1
    assert _point_of_interest(scene, lost)[:2] == (18, 3)
    inside = [
        part.start <= i < part.stop for part, i in zip(TUMOUR, _point_of_interest(scene, None), strict=True)
    ]
    assert all(inside)
    unlabelled = replace(scene, label=None)
    lung = _point_of_interest(unlabelled, None)
    assert all(part.start <= i < part.stop for part, i in zip(LUNG, lung, strict=True))
    assert _point_of_interest(replace(unlabelled, lungs=np.zeros_like(scene.lungs)), None) == (10, 20, 31)


def test_what_the_box_loses_has_a_colour_of_its_own(scene):
    lost = np.zeros_like(scene.label)
    lost[TUMOUR[0], TUMOUR[1], 46:52] = 1
    pixels = np.asarray(_panel(scene, lost, 0, MIDDLE[0])[0])
    assert (
        np.flatnonzero((pixels == GTV).any(axis=0)).max() < np.flatnonzero((pixels == LOST).any(axis=0)).max()
    )
    assert (np.asarray(draw_crop(scene, "Patient 7", [])) == LOST).sum() == 0, "all of it is in the box"


def test_the_scale_bar_is_50_mm_long_in_the_corner(scene):
    drawn = []
    pen = SimpleNamespace(
        text=lambda place, text, **_: drawn.append((text, place)),
        rectangle=lambda place, fill: drawn.append((place, fill)), textbbox=lambda *_, **__: None,
    )  # fmt: skip
    _annotate(pen, None, (100, 20, 300, 280), PLANES[0], 1.6)
    # 80 pixels, a black frame of one about it, and the words above its middle.
    assert drawn[-2:] == [((213, 270, 295, 275), BACKGROUND), ((214, 271, 294, 274), TEXT)]
    assert ("50 mm", (254, 268)) in drawn


def test_the_legend_says_what_each_colour_is(scene):
    lungs, box, gtv = ("lungs", GREYS + GREYS // 2), ("box", BOX), ("GTV (label)", GTV)
    window, lost = ("window -1000 to 300 HU", BACKGROUND), ("GTV outside the box", LOST)
    assert _legend(None) == [lungs, box, window]
    assert _legend(np.zeros_like(scene.label)) == [lungs, box, gtv, window]
    assert _legend(scene.label) == [lungs, box, gtv, lost, window]
    palette = np.reshape(_palette(), (-1, 3)).tolist()
    assert [palette[n] for n in (0, GREYS - 1, GREYS, 2 * GREYS - 1)] == [
        [0, 0, 0], [255, 255, 255], [26, 54, 70], [204, 232, 248],
    ]  # fmt: skip
    assert [palette[n] for n in (BACKGROUND, GTV, LOST, BOX, TEXT)] == [
        [0, 0, 0],
        [230, 159, 0],
        [213, 94, 0],
        [240, 228, 66],
        [255, 255, 255],
    ]


def test_each_word_of_the_legend_has_its_colour_before_it(scene):
    pixels = np.asarray(draw_crop(scene, "", []))
    line = pixels[LINE_HEIGHT + PANEL_HEIGHT + 8]
    runs = [(colour, len(list(run))) for colour, run in itertools.groupby(line.tolist())]
    boxes = [colour for colour, length in runs if length == 11 and colour != BACKGROUND]
    assert boxes == [GREYS + GREYS // 2, BOX, GTV]


def test_every_figure_of_a_record_stands_under_its_own_name():
    grid = Grid((10, 40, 50), (2.0, 1.0, 1.25), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    cached = Grid((7, 20, 25), (3.0, 1.1, 1.2), (0.0, 0.0, 0.0), grid.direction)
    small = Remark("one_lung_small", "a lung is small")
    crop = Crop((1, 2, 3), (8, 30, 40), (201.04, 152.0, 253.0), (1600.04, 1300.0), True, None, (small,))
    losses = Losses(12.3456, 1.2345, 0.98765)
    record = crop_record("7", grid, cached, Margins(1, 2, 3, 4, 5, 6), crop, ((0, 1, 2), (9, 38, 47)), losses)
    texts = [
        "a lung is small",
        "1.23 of 12.35 ml GTV lie outside the box and cannot be drawn; larger cache.margin_mm would keep them",
        "the CT is finer than the cache (z 2.00 instead of 3.00 mm): resampling alone limits the Dice to 0.988",
    ]
    codes = ["one_lung_small", "gtv_lost", "finer_than_cache"]
    assert record == {
        "patient": "7", "box_start": [1, 2, 3], "box_shape": [8, 30, 40], "body_start": [0, 1, 2],
        "body_shape": [9, 38, 47], "kept_share": 0.48, "fallback": False, "fallback_reason": None, "symmetric": True,
        "margin_mm": {"cranial": 1, "caudal": 2, "anterior": 3, "posterior": 4, "left": 5, "right": 6},
        "lungs_ml": 2900.0, "right_ml": 1600.0, "left_ml": 1300.0, "lungs_mm": [201.0, 152.0, 253.0],
        "native_spacing_mm": [2.0, 1.0, 1.25], "cache_spacing_mm": [3.0, 1.1, 1.2], "cache_shape": [7, 20, 25],
        "gtv_ml": 12.346, "gtv_lost_ml": 1.234, "round_trip_dice": 0.9877,
        "warnings": [{"code": code, "text": text} for code, text in zip(codes, texts, strict=True)],
    }  # fmt: skip
    assert heading_of(record) == "Patient 7    box 48 % of the scan    lungs 2.9 l    GTV 12.3 ml"
    assert heading_of(record | {"gtv_ml": None}) == "Patient 7    box 48 % of the scan    lungs 2.9 l"


def test_every_remark_stands_below_the_picture_beside_the_reason_for_the_fallback():
    record = {
        "fallback": True,
        "fallback_reason": "no lungs were found",
        "warnings": [{"text": "2 ml are lost."}],
    }
    first, second = remarks_of(record)
    assert "no lungs were found" in first and second == "2 ml are lost."
    assert remarks_of(record | {"fallback": False, "fallback_reason": None}) == ["2 ml are lost."]
