"""Swapped volumes are warned about, right ones never, and what cannot be seen is not said."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from lunggtv.ingest.anatomy import body_mask, thinned_mm, thinning
from lunggtv.ingest.posture import check_posture
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
