"""Lesions found, missed and false: every rule by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lunggtv.evaluate.lesion_scores import match_lesions

SPACING_MM = (5.0, 2.0, 1.0)  # voxels of 0.01 ml
SHAPE = (3, 12, 30)


def row(*extents: tuple[int, int], y: int = 5) -> np.ndarray:
    """Lines of voxels along x in slice 1: (start, length) each."""
    mask = np.zeros(SHAPE, dtype=np.uint8)
    for start, length in extents:
        mask[1, y, start : start + length] = 1
    return mask


def test_found_missed_and_false():
    match = match_lesions(row((0, 10), (12, 4)), row((5, 5), (20, 3), (25, 1), (28, 1)), SPACING_MM, 0.1)
    large, small = match.lesions
    assert (large.volume_ml, large.covered, large.found) == (pytest.approx(0.10), 0.5, True)
    assert large.dice == 2 * 5 / (10 + 5)
    assert (small.volume_ml, small.covered, small.dice, small.found) == (pytest.approx(0.04), 0.0, 0.0, False)
    assert match.false_ml == (pytest.approx(0.03), pytest.approx(0.01), pytest.approx(0.01))
    assert match.found == 1
    twins = match_lesions(row((0, 4), (8, 4), (20, 1)), row((0, 4), (8, 4)), SPACING_MM, 0.1)
    assert [lesion.found for lesion in twins.lesions] == [True, True, False] and twins.found == 2


@pytest.mark.parametrize(("drawn", "found"), [(0, False), (1, False), (2, True), (10, True)])
def test_a_lesion_is_found_from_the_share_on(drawn, found):
    match = match_lesions(row((0, 10)), row((0, drawn)), SPACING_MM, 0.2)
    assert match.lesions[0].found is found
    # A poor contour that touches the lesion is no false lesion.
    assert match.false_ml == ()


def test_fragments_together_find_a_lesion():
    """Three fragments cover 1 of 10 voxels each: only together they reach a quarter."""
    match = match_lesions(row((0, 10)), row((0, 1), (4, 1), (8, 1)), SPACING_MM, 0.25)
    assert match.lesions[0].found
    assert match.lesions[0].dice == pytest.approx(2 * 3 / (10 + 3))


def test_one_component_over_two_lesions_finds_both_and_is_too_large_for_each():
    match = match_lesions(row((0, 4), (8, 4)), row((0, 12)), SPACING_MM, 0.1)
    assert [lesion.found for lesion in match.lesions] == [True, True]
    assert [lesion.dice for lesion in match.lesions] == [2 * 4 / (4 + 12)] * 2
    assert match.false_ml == ()


def test_voxels_that_touch_by_a_corner_are_one_lesion():
    label = np.zeros(SHAPE, dtype=np.uint8)
    label[0, 0, 0] = label[1, 1, 1] = 1
    assert len(match_lesions(label, label, SPACING_MM, 0.1).lesions) == 1
    label[1, 1, 1], label[2, 1, 1] = 0, 1
    assert len(match_lesions(label, label, SPACING_MM, 0.1).lesions) == 2


def test_empty_masks():
    empty = row()
    assert match_lesions(empty, empty, SPACING_MM, 0.1).lesions == ()
    assert match_lesions(empty, row((0, 2)), SPACING_MM, 0.1).false_ml == (pytest.approx(0.02),)
    missed = match_lesions(row((0, 2)), empty, SPACING_MM, 0.1)
    assert (missed.found, missed.false_ml) == (0, ())


masks = hnp.arrays(np.uint8, (3, 5, 6), elements=st.integers(0, 1))


@settings(max_examples=80, deadline=None)
@given(masks, masks)
def test_volumes_add_up_and_shares_stay_within_bounds(label, prediction):
    match = match_lesions(label, prediction, SPACING_MM, 0.1)
    assert sum(lesion.volume_ml for lesion in match.lesions) == pytest.approx(label.sum() * 0.01)
    covered_ml = sum(lesion.covered * lesion.volume_ml for lesion in match.lesions)
    assert covered_ml == pytest.approx((label & prediction).sum() * 0.01)
    assert sum(match.false_ml) <= (prediction & ~label & 1).sum() * 0.01 + 1e-12
    assert all(0 <= lesion.dice <= 1 and 0 <= lesion.covered <= 1 for lesion in match.lesions)
    assert all((lesion.dice > 0) == (lesion.covered > 0) for lesion in match.lesions)


def test_parts_of_a_draft_are_joined_by_corners_as_lesions_are():
    label = np.zeros(SHAPE, np.uint8)
    label[0, 0, 0] = 1
    drawn = label.copy()
    drawn[1, 1, 1] = 1
    for one, other in ((label, drawn), (drawn, label)):
        match = match_lesions(one, other, SPACING_MM, 0.1)
        assert match.false_ml == () and [lesion.dice for lesion in match.lesions] == [2 / 3]
