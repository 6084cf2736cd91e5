"""The box: margins by hand, symmetry about the midline, plausibility, and the body's box where in doubt."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from lunggtv.cache.cache_settings import Margins
from lunggtv.cache.lung_box import body_box, choose_crop
from lunggtv.cache.lungs import Lungs

# Shrunken voxels of 5 x 4 x 4 mm, of 1 x 4 x 4 voxels of the CT each.
SMALL = (60, 90, 110)
SMALL_MM = (5.0, 4.0, 4.0)
FACTORS = (1, 4, 4)
SHAPE = (60, 361, 442)
SPACING_MM = (5.0, 1.0, 1.0)
NO_MARGIN = Margins(0, 0, 0, 0, 0, 0)

RIGHT = np.s_[10:50, 20:60, 20:45]
LEFT = np.s_[10:50, 20:60, 65:90]


def lungs(*parts, body=np.s_[:, 10:80, 5:105]) -> Lungs:
    mask, trunk = np.zeros(SMALL, bool), np.zeros(SMALL, bool)
    for part in parts:
        mask[part] = True
    if body is not None:
        trunk[body] = True
    return Lungs(mask, trunk, SMALL_MM, midline_vox=54.5)


def crop(found: Lungs, margins: Margins = NO_MARGIN, shape=SHAPE):
    return choose_crop(found, FACTORS, shape, SPACING_MM, margins)


class TestPlausibleLungs:
    def test_the_box_is_that_of_both_lungs(self):
        box = crop(lungs(RIGHT, LEFT))
        assert (box.start, box.shape) == ((10, 80, 80), (40, 160, 280))
        assert box.lungs_mm == (200.0, 160.0, 280.0)
        # 40 x 40 x 25 voxels of 80 mm3.
        assert box.sides_ml == pytest.approx((3200.0, 3200.0))
        assert box.fallback_reason is None and not box.symmetric and box.warnings == ()

    @pytest.mark.parametrize(
        ("direction", "axis", "start", "longer"),
        [
            ("caudal", 0, -3, 3), ("cranial", 0, 0, 3),
            ("anterior", 1, -11, 11), ("posterior", 1, 0, 11),
            ("right", 2, -11, 11), ("left", 2, 0, 11),
        ],
    )  # fmt: skip
    def test_each_margin_moves_its_own_side(self, direction, axis, start, longer):
        # 11 mm are 11 pixels, and three slices of 5 mm (never less than asked for).
        plain = crop(lungs(RIGHT, LEFT))
        wide = crop(lungs(RIGHT, LEFT), replace(NO_MARGIN, **{direction: 11.0}))
        moved = np.subtract(wide.start, plain.start)
        grown = np.subtract(wide.shape, plain.shape)
        assert moved[axis] == start and grown[axis] == longer
        assert np.count_nonzero(moved) == (start != 0) and np.count_nonzero(grown) == 1

    def test_margins_end_at_the_volume_and_keep_its_last_voxel(self):
        box = crop(lungs(RIGHT, LEFT), Margins(200, 200, 200, 200, 200, 200))
        assert (box.start, box.shape) == ((0, 0, 0), SHAPE)

    @pytest.mark.parametrize(
        ("part", "ends"),
        [
            (np.s_[0:40, 20:60, 20:45], "first"),
            (np.s_[20:60, 20:60, 20:45], "last"),
            (np.s_[0:60, 20:60, 20:45], "first and the last"),
        ],
    )
    def test_lungs_at_the_end_of_the_scan_are_mentioned(self, part, ends):
        box = crop(lungs(part, LEFT))
        assert [warning.code for warning in box.warnings] == ["lungs_truncated"]
        text = f"the lungs reach the {ends} slice: the scan may end inside them"
        assert box.warnings[0].text == text

    def test_slices_behind_the_last_block_hide_no_truncation(self):
        # 122 slices of 2.5 mm, two to a block of 61: the last block ends at the last slice.
        found = lungs(np.s_[20:60, 20:60, 20:45], LEFT)
        box = choose_crop(found, (2, 4, 4), (121, *SHAPE[1:]), (2.5, 1.0, 1.0), NO_MARGIN)
        assert [warning.code for warning in box.warnings] == ["lungs_truncated"]


class TestOneSmallLung:
    def test_the_box_is_mirrored_about_the_midline(self):
        box = crop(lungs(RIGHT))
        # The midline is the edge between columns 54 and 55: CT voxel 220; the right lung begins at 80.
        assert box.symmetric and (box.start[2], box.shape[2]) == (80, 280)
        assert box.warnings[0].code == "one_lung_small"

    @pytest.mark.parametrize(
        ("parts", "words"),
        [
            ((RIGHT, np.s_[10:50, 20:60, 85:90]), "the left lung holds 640 ml, the other 3200 ml: "),
            ((np.s_[10:50, 20:60, 20:25], LEFT), "the right lung holds 640 ml, the other 3200 ml: "),
        ],
    )
    def test_the_small_one_is_named_with_its_volume(self, parts, words):
        box = crop(lungs(*parts))
        assert [warning.text for warning in box.warnings] == [words + "the box is symmetric"]

    def test_a_mirrored_box_ends_at_the_volume(self):
        # A volume of 280 columns; the lung fills 160 to 260, the midline lies at 120: -20 to 260.
        mask = np.zeros((60, 90, 70), bool)
        mask[10:50, 20:60, 40:65] = True
        box = crop(Lungs(mask, np.ones_like(mask), SMALL_MM, midline_vox=29.5), shape=(60, 361, 280))
        assert box.symmetric and (box.start[2], box.shape[2]) == (0, 260)

    def test_half_the_volume_is_not_small(self):
        half = np.s_[10:50, 20:40, 65:90]
        assert not crop(lungs(RIGHT, half)).symmetric
        less = np.s_[10:49, 20:40, 65:90]
        assert crop(lungs(RIGHT, less)).symmetric


class TestFallback:
    @pytest.mark.parametrize(
        ("parts", "words"),
        [
            ((), "no lungs were found"),
            ((np.s_[10:39, 20:60, 20:45], np.s_[10:39, 20:60, 65:90]), "145 mm along z, not 150 to 360"),
            ((np.s_[10:50, 20:49, 20:45], np.s_[10:50, 20:49, 65:90]), "116 mm along y, not 120 to 260"),
            ((np.s_[10:50, 20:60, 36:52], np.s_[10:50, 20:60, 62:77]), "164 mm along x, not 170 to 320"),
            ((np.s_[10:50, 12:78, 20:45], np.s_[10:50, 12:78, 65:90]), "264 mm along y"),
            ((np.s_[10:50, 20:60, 12:45], np.s_[10:50, 20:60, 65:98]), "344 mm along x"),
        ],
    )
    def test_implausible_lungs(self, parts, words):
        box = crop(lungs(*parts), Margins(20, 20, 20, 20, 20, 20))
        assert words in box.fallback_reason
        # The body from (0, 40, 20) to (60, 320, 420) and two shrunken voxels more, as far as there are any.
        assert (box.start, box.shape) == ((0, 32, 12), (60, 296, 416))
        assert not box.symmetric

    @pytest.mark.parametrize(
        ("size", "slice_mm", "believed"),
        [
            ((30, 40, 70), 5.0, True), ((29, 40, 70), 5.0, False),
            ((60, 40, 70), 6.0, True), ((60, 40, 70), 6.01, False),
            ((40, 30, 70), 5.0, True), ((40, 29, 70), 5.0, False),
            ((40, 65, 70), 5.0, True), ((40, 66, 70), 5.0, False),
            ((40, 40, 43), 5.0, True), ((40, 40, 42), 5.0, False),
            ((40, 40, 80), 5.0, True), ((40, 40, 81), 5.0, False),
        ],
    )  # fmt: skip
    def test_extents_at_the_limits(self, size, slice_mm, believed):
        # 150 to 360 mm, 120 to 260 mm and 170 to 320 mm.
        nz, ny, nx = size
        first, wide = 55 - nx // 2, nx // 2 - 3
        found = lungs(
            np.s_[:nz, 10 : 10 + ny, first : first + wide],
            np.s_[:nz, 10 : 10 + ny, first + nx - wide : first + nx],
        )
        box = choose_crop(found, FACTORS, SHAPE, (slice_mm, 1.0, 1.0), NO_MARGIN)
        assert (box.fallback_reason is None) == believed, box.fallback_reason

    @pytest.mark.parametrize(("less", "believed"), [(150, True), (151, False)])
    def test_half_a_litre_a_side_is_enough(self, less, believed):
        # 40 x 40 x 4 voxels of 0.08 ml are 512 ml; 150 of them 12 ml.
        found = lungs(np.s_[10:50, 20:60, 20:24])
        found.mask[12, 20:57, 20:24] = False
        found.mask[14, 30, 20 : 22 + less - 150] = False
        found.mask[:, :, 60:] = found.mask[:, :, 49::-1]  # the same on the left
        assert found.sides_ml == pytest.approx([500.0 - 0.08 * (less - 150)] * 2)
        box = crop(found)
        assert not box.symmetric and (box.fallback_reason is None) == believed, box.fallback_reason

    def test_too_little_air(self):
        shells = (np.s_[10:50, 20:60, 20:23], np.s_[10:50, 20:60, 65:68])
        box = crop(lungs(*shells))
        assert box.fallback_reason == "the lungs found hold only 384 ml (right) and 384 ml (left)"

    def test_too_little_air_in_unequal_lungs(self):
        # 40 x 40 x 5 and 40 x 35 x 4 voxels of 0.08 ml: 640 and 448 ml, a share of 0.7.
        box = crop(lungs(np.s_[10:50, 20:60, 20:25], np.s_[10:50, 20:55, 65:69]))
        assert box.fallback_reason == "the lungs found hold only 640 ml (right) and 448 ml (left)"

    def test_without_a_body_the_whole_volume_is_taken(self):
        box = crop(lungs(body=None))
        assert (box.start, box.shape) == ((0, 0, 0), SHAPE)

    def test_the_body_box_reaches_the_voxels_behind_the_last_block(self):
        body = np.ones(SMALL, bool)
        assert body_box(body, FACTORS, SHAPE) == ((0, 0, 0), SHAPE)


def test_the_label_cannot_choose_the_box():
    assert set(inspect.signature(choose_crop).parameters) == {
        "lungs",
        "factors",
        "shape",
        "spacing_mm",
        "margins",
    }
