"""Swapped volumes are warned about, right ones never, and what cannot be seen is not said."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from lunggtv.ingest.anatomy import body_mask, lung_mask, thinned_mm, thinning
from lunggtv.ingest.posture import (
    Chest,
    _longest_run,
    check_posture,
    heart_is_right,
    liver_is_left,
    spine_is_anterior,
    windpipe_is_caudal,
)
from lungphantom.body import paint_phantom
from lungphantom.plan import PhantomSettings, plan_cohort

from tests.unit.ingest_bodies import GRID, chest_hu

CODES = ("upside_down", "back_to_front", "left_right_swapped")
FLIPS = [axes for count in range(4) for axes in combinations(range(3), count)]


def codes(ct: np.ndarray, spacing_mm: tuple[float, float, float]) -> list[str]:
    """Codes of the warnings about a volume."""
    thin = np.ascontiguousarray(ct[thinning(spacing_mm)])
    return [r.code for r in check_posture(thin, body_mask(thin), thinned_mm(spacing_mm), "data.nii.gz")]


@pytest.fixture(scope="module")
def phantoms():
    """Five synthetic patients with different tumours."""
    return [paint_phantom(plan) for plan in plan_cohort(PhantomSettings(12, 0))[::3]]


def test_right_volumes_are_never_warned_about(phantoms):
    for phantom in phantoms:
        assert codes(phantom.ct, phantom.grid.spacing_mm) == []


@pytest.mark.parametrize("axes", FLIPS[1:], ids=str)
def test_each_swap_is_named(phantoms, axes):
    """Heads and backs always; left and right where the heart is not pushed aside."""
    named = [codes(np.flip(phantom.ct, axes), phantom.grid.spacing_mm) for phantom in phantoms]
    expected = [CODES[axis] for axis in axes]
    for found in named:
        assert set(found) <= set(expected)
        assert {"upside_down", "back_to_front"} & set(expected) <= set(found)
    assert sum(found == expected for found in named) >= len(named) / 2


@pytest.mark.parametrize(
    "variant", ["missing_lung", "collapsed_lung", "effusion", "no_apices", "no_bases", "lungless"]
)
def test_sick_and_cut_chests_are_not_taken_for_swapped(variant):
    plan = replace(plan_cohort(PhantomSettings(2, 0))[1], variants=(variant,))
    phantom = paint_phantom(plan)
    assert codes(phantom.ct, phantom.grid.spacing_mm) == []


def test_a_body_without_landmarks_says_nothing():
    for axes in FLIPS:
        assert codes(np.flip(chest_hu(), axes), GRID.spacing_mm) == []
    assert codes(np.full((20, 30, 30), -1000, np.int16), (5.0, 5.0, 5.0)) == []


def test_the_warning_says_what_to_do(phantoms):
    thin = np.ascontiguousarray(phantoms[0].ct[::-1][thinning(phantoms[0].grid.spacing_mm)])
    spacing_mm = thinned_mm(phantoms[0].grid.spacing_mm)
    reasons = [*check_posture(thin, body_mask(thin), spacing_mm, "data.nii.gz")]
    assert reasons[0].severity == "warned"
    assert reasons[0].text.startswith("data.nii.gz seems to lie upside down: the windpipe")
    assert "mend the header" in reasons[0].text


def test_thinning_looks_at_every_four_millimetres():
    assert thinning((5.0, 1.0, 1.37)) == (slice(None, None, 1), slice(None, None, 4), slice(None, None, 3))
    assert thinned_mm((5.0, 1.0, 1.37)) == pytest.approx((5.0, 4.0, 4.11))
    assert thinning((0.5, 9.0, 4.0)) == (slice(None, None, 8), slice(None, None, 1), slice(None, None, 1))


SPACING_MM = (5.0, 4.0, 4.0)
SOFT_HU = 40


def chest(low: int = 8, ct: np.ndarray | None = None) -> Chest:
    """A body of one density with lungs of 40 slices (their first is ``low``), 30 rows and columns 5 to 55, parted by
    columns 25 to 34: their middle is column 29.5, row 24.5."""
    shape = (52, 50, 60)
    lungs = np.zeros(shape, bool)
    for columns in (slice(5, 25), slice(35, 55)):
        lungs[low : low + 40, 10:40, columns] = True
    ct = np.full(shape, SOFT_HU, np.int16) if ct is None else ct
    return Chest(ct, np.ones(shape, bool), lungs, SPACING_MM)


class TestWindpipe:
    """Of 16 slices at either end of the lungs, 8 to 23 and 32 to 47."""

    @staticmethod
    def caudal(run=range(8, 18), rows=slice(20, 24), columns=slice(28, 32), hu=-1000, other=range(0)) -> bool:
        found = chest()
        found.ct[run.start : run.stop, rows, columns] = hu
        found.ct[other.start : other.stop, 20:24, 28:32] = -1000
        return windpipe_is_caudal(found)

    def test_it_is_seen_over_fifty_millimetres(self):
        assert self.caudal(range(8, 18)) and not self.caudal(range(8, 17))

    def test_it_is_looked_for_in_two_fifths_of_the_height(self):
        assert self.caudal(range(14, 24)) and not self.caudal(range(15, 25))

    def test_it_is_twice_as_long_as_what_the_other_end_shows(self):
        assert self.caudal(other=range(40, 45)) and not self.caudal(other=range(40, 46))

    def test_it_is_thinner_than_lung(self):
        assert self.caudal(hu=-601) and not self.caudal(hu=-600)

    def test_it_has_80_to_600_square_millimetres(self):
        # Voxels of 16.
        assert self.caudal(rows=slice(20, 21), columns=slice(27, 32))
        assert not self.caudal(rows=slice(20, 22), columns=slice(28, 30))
        assert self.caudal(rows=slice(20, 26), columns=slice(27, 33))
        assert not self.caudal(rows=slice(20, 26), columns=slice(26, 33))

    def test_it_is_at_most_36_millimetres_wide_and_deep(self):
        assert self.caudal(rows=slice(20, 23), columns=slice(25, 34))
        assert not self.caudal(rows=slice(20, 23), columns=slice(25, 35))
        assert self.caudal(rows=slice(20, 29), columns=slice(28, 31))
        assert not self.caudal(rows=slice(20, 30), columns=slice(28, 31))

    @pytest.mark.parametrize("side", [1, -1])
    def test_it_lies_within_25_millimetres_of_the_midline(self, side):
        near, far = (slice(*sorted((30 + side * n, 30 + side * (n + 2)))) for n in (5, 6))
        assert self.caudal(columns=near) and not self.caudal(columns=far)


class TestSpine:
    @pytest.mark.parametrize(
        ("row", "column", "hu", "anterior"),
        [
            (20, 29, 201, True), (21, 29, 201, False),  # 18 and 14 mm in front of the lungs' middle
            (20, 29, 200, False),
            (20, 23, 201, True), (20, 22, 201, False), (20, 35, 201, True), (20, 36, 201, False),
        ],
    )  # fmt: skip
    def test_bone_near_the_midline_lies_15_millimetres_in_front(self, row, column, hu, anterior):
        found = chest()
        found.ct[20:30, row, column] = hu
        assert spine_is_anterior(found) == anterior


class TestHeart:
    """Looked for in the slices 12 to 25, between a tenth and 45 hundredths of the lungs' height."""

    @staticmethod
    def is_right(first: int, last: int, slices=slice(12, 26)) -> bool:
        """With a gap between the lungs from ``first`` to ``last`` in these slices, and one far left in all others; the
        spine is at column 29.5."""
        found = chest()
        found.ct[20:30, 35, 29:31] = 300
        found.lungs[8:48, 10:40, 5:55] = True
        found.lungs[8:48, 10:40, 30:43] = False
        found.lungs[slices, 10:40, 5:55] = True
        found.lungs[slices, 10:40, first : last + 1] = False
        return heart_is_right(found)

    def test_its_middle_lies_six_millimetres_right_of_the_spine(self):
        assert not self.is_right(22, 34) and self.is_right(21, 34)

    @pytest.mark.parametrize("slices", [slice(12, 24), slice(14, 26)])
    def test_all_of_that_height_counts_and_no_other(self, slices):
        assert self.is_right(21, 34)
        assert not self.is_right(21, 34, slices)

    def test_a_slit_between_the_lungs_is_no_heart(self):
        assert self.is_right(23, 27) and not self.is_right(23, 26)


class TestLiver:
    """Looked for in six slices below the lungs, in the columns 5 to 24 right and 34 to 54 left."""

    @staticmethod
    def is_left(right: int, left: int, hu: int = 60, slices=slice(2, 8), low: int = 8) -> bool:
        """With so many columns of soft tissue in fat on either side; the outer two of them are blurred away."""
        found = chest(low, np.full((52, 50, 60), -100, np.int16))
        found.ct[:, :, 8 : 8 + right + 2] = 60
        found.ct[:, :, 36:] = -100
        found.ct[slices, :, 36 : 36 + left + 2] = hu
        return liver_is_left(found)

    def test_there_is_a_third_more_of_it_on_the_left(self):
        assert self.is_left(10, 14) and not self.is_left(10, 13)

    def test_it_is_soft_tissue(self):
        assert [self.is_left(10, 14, hu) for hu in (25, 26, 139, 140)] == [False, True, True, False]

    def test_it_lies_within_thirty_millimetres_below_the_lungs(self):
        assert self.is_left(5, 14, slices=slice(2, 5)) and self.is_left(5, 14, slices=slice(5, 8))
        assert not self.is_left(5, 14, slices=slice(0, 3)) and not self.is_left(5, 14, slices=slice(7, 20))

    def test_a_scan_that_ends_before_says_nothing(self):
        assert self.is_left(10, 14, slices=slice(0, 8), low=6)
        assert not self.is_left(10, 14, slices=slice(0, 8), low=5)


def test_an_air_space_of_more_than_300_ml_is_a_lung():
    body = np.ones((1, 30, 30), bool)
    for (rows, columns), hu, found in (((15, 20), -401, 0), ((16, 19), -401, 304), ((16, 19), -400, 0)):
        ct = np.full(body.shape, 40, np.int16)
        ct[:, :rows, :columns] = hu
        # Voxels of 1 ml.
        assert np.count_nonzero(lung_mask(ct, body, (10.0, 10.0, 10.0))) == found


def test_the_body_is_denser_than_minus_500_hu():
    ct = np.full((1, 20, 20), -1000, np.int16)
    ct[:, 2:12, 2:12] = -500
    ct[:, 5:9, 5:9] = -499
    assert np.argwhere(body_mask(ct)).min(axis=0).tolist() == [0, 5, 5]
    assert np.count_nonzero(body_mask(ct)) == 16


def test_a_windpipe_is_seen_without_a_break():
    seen = [True, True, False, True, True, True, False, True]
    assert (_longest_run(seen), _longest_run([False]), _longest_run([])) == (3, 0, 0)
