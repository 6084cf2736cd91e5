"""From probability to mask, lesions, uncertainty and review, on a few voxels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lunggtv.geometry import Grid, Orientation, Placement
from lunggtv.infer.draft import as_stored, draw
from lunggtv.infer.draft_lesions import drop_small, find_lesions
from lunggtv.infer.review import review_reasons, touched_faces
from lunggtv.infer.rounding import rounded
from lunggtv.infer.uncertainty import Uncertainty, measure_uncertainty
from lunggtv.masks import to_percent

STRAIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def grid_of(shape, spacing_mm=(5.0, 2.0, 1.0), origin_mm=(100.0, -50.0, 10.0), direction=STRAIGHT) -> Grid:
    return Grid(shape, spacing_mm, origin_mm, direction)


def place_of(shape=(8, 9, 10), start=(1, 2, 3), box=(5, 6, 6)) -> Placement:
    grid = grid_of(shape)
    return Placement(grid, start, box, grid, Orientation((0, 1, 2), (False, False, False)))


# Lesions


def test_lesion_has_volume_centroid_and_extent_in_patient_coordinates():
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1:3, 2, 1:5] = 1
    (lesion,) = find_lesions(mask, grid_of(mask.shape))
    assert lesion.volume_ml == pytest.approx(2 * 1 * 4 * (5 * 2 * 1) / 1000)
    # x, y, z of the middle of voxels 1..4, 2, 1..2.
    assert lesion.centroid_mm == pytest.approx((100 + 2.5 * 1, -50 + 2 * 2, 10 + 1.5 * 5))
    assert lesion.extent_mm == pytest.approx((4 * 1, 1 * 2, 2 * 5))


def test_extent_of_a_turned_voxel_is_that_of_its_bounding_box():
    # Turned by 90 degrees about z: the x index runs along physical y.
    turned = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    mask = np.zeros((1, 1, 3), np.uint8)
    mask[0, 0, :] = 1
    (lesion,) = find_lesions(mask, grid_of(mask.shape, direction=turned))
    assert lesion.extent_mm == pytest.approx((2.0, 3.0, 5.0))


def test_lesions_are_joined_by_corners_and_the_largest_comes_first():
    mask = np.zeros((4, 4, 8), np.uint8)
    mask[0, 0, 0] = mask[1, 1, 1] = 1
    mask[3, 2:4, 6] = mask[3, 2, 7] = 1
    lesions = find_lesions(mask, grid_of(mask.shape))
    assert [lesion.volume_ml for lesion in lesions] == pytest.approx([0.03, 0.02])


def test_no_lesions_in_an_empty_mask():
    assert find_lesions(np.zeros((2, 2, 2), np.uint8), grid_of((2, 2, 2))) == []


def test_small_parts_go_and_all_large_ones_stay():
    mask = np.zeros((1, 5, 12), np.uint8)
    mask[0, 0, 0] = 1  # 0.01 ml
    mask[0, 2, 0:3] = 1  # 0.03 ml
    mask[0, 4, 4:8] = 1  # 0.04 ml
    kept = drop_small(mask, 0.01, 0.03)
    assert kept.sum() == 3 + 4
    assert kept[0, 0, 0] == 0
    assert np.array_equal(drop_small(mask, 0.01, 0.0), mask)


@pytest.mark.parametrize("step", [(1, 1, 1), (0, 1, 1), (1, 0, 1)])
def test_parts_that_hang_together_by_corners_or_edges_are_dropped_or_kept_as_one(step):
    mask = np.zeros((4, 5, 12), np.uint8)
    for n in range(3):
        mask[tuple(n * along for along in step)] = 1  # 0.03 ml
    mask[3, 4, 8:] = 1
    assert np.array_equal(drop_small(mask, 0.01, 0.03), mask)
    assert drop_small(mask, 0.01, 0.031).sum() == 4


@settings(max_examples=50, deadline=None)
@given(mask=arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 1)), smallest=st.floats(0, 0.2))
def test_what_is_kept_was_drawn_and_is_large_enough(mask, smallest):
    kept = drop_small(mask, 0.01, smallest)
    assert (kept <= mask).all()
    grid = grid_of(mask.shape)
    assert all(lesion.volume_ml >= smallest - 1e-6 for lesion in find_lesions(kept, grid))
    dropped = find_lesions(mask - kept, grid)
    assert all(lesion.volume_ml < smallest + 1e-6 for lesion in dropped)


# Drawing


def test_a_cache_at_the_scans_spacing_is_drawn_voxel_by_voxel():
    place = place_of()
    probability = np.random.default_rng(0).random(place.box_shape, dtype=np.float32)
    draft = draw(probability, place.box, place, 0.5, 0.0)
    assert np.array_equal(draft.mask, probability >= 0.5)
    stored = as_stored(draft.mask, place)
    assert stored.shape == (8, 9, 10)
    assert np.array_equal(stored[1:6, 2:8, 3:9], draft.mask)
    assert stored.sum() == draft.mask.sum()


def test_threshold_itself_is_drawn():
    place = place_of()
    probability = np.full(place.box_shape, 0.5, np.float32)
    assert draw(probability, place.box, place, 0.5, 0.0).mask.all()
    assert not draw(probability, place.box, place, 0.51, 0.0).mask.any()


def test_dropped_parts_are_counted_in_ml():
    place = place_of()
    probability = np.zeros(place.box_shape, np.float32)
    probability[0, 0, 0] = probability[4, 3:5, 3:5] = 1.0
    draft = draw(probability, place.box, place, 0.5, 0.02)
    assert draft.dropped_ml == pytest.approx(0.01)
    assert draft.mask.sum() == 4


def test_parts_are_measured_with_the_voxels_of_the_scan_not_of_the_cache():
    scan = grid_of((4, 16, 16), (5.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    cache = grid_of((4, 8, 8), (5.0, 2.0, 2.0), (0.5, 0.5, 0.0))
    place = Placement(scan, (0, 0, 0), scan.shape, scan, Orientation((0, 1, 2), (False, False, False)))
    probability = np.zeros(cache.shape, np.float32)
    probability[1, 2:4, 2:4] = 1.0  # 16 voxels of 0.005 ml on the scan
    kept, dropped = (draw(probability, cache, place, 0.5, smallest) for smallest in (0.08, 0.0801))
    assert (kept.mask.sum(), kept.dropped_ml) == (16, 0.0)
    assert (dropped.mask.sum(), dropped.dropped_ml) == (0, pytest.approx(0.08))


def test_percent_is_rounded():
    assert to_percent(np.asarray([0.0, 0.004, 0.006, 0.996, 1.0])).tolist() == [0, 0, 1, 100, 100]


# Uncertainty


def test_sure_and_equal_members():
    member = np.zeros((2, 2, 2), np.float32)
    member[0] = 1.0
    found = measure_uncertainty(np.stack([member, member])[:, None], member, 0.5)
    assert found == Uncertainty(2, 0.0, 1.0, None, 0.0, 1.0, 1.0)


def test_disagreeing_models():
    passes = np.zeros((2, 1, 1, 1, 4), np.float32)
    passes[0, 0, 0, 0, :2] = 1.0
    passes[1, 0, 0, 0, 1:4] = 1.0
    found = measure_uncertainty(passes, passes.mean(axis=(0, 1)), 0.6)
    # Means 0.5, 1, 0.5, 0.5: three coin tosses and one certainty.
    assert found.entropy_bits == pytest.approx(3 / 4)
    assert found.pairwise_dice == pytest.approx(2 * 1 / (2 + 3))
    assert found.volume_spread == pytest.approx((3 - 2) / 2.5)
    # Drawn is one voxel; probability sums to 2.5.
    assert found.soft_dice == pytest.approx(2 * 1 / (1 + 2.5))
    assert found.mirror_dice is None


def test_a_single_model_is_compared_with_its_mirrored_pass():
    passes = np.zeros((1, 2, 1, 1, 4), np.float32)
    passes[0, 0, 0, 0, :2] = 1.0
    passes[0, 1, 0, 0, 1:3] = 1.0
    found = measure_uncertainty(passes, passes.mean(axis=(0, 1)), 0.5)
    assert found.members == 2
    assert found.pairwise_dice == found.mirror_dice == pytest.approx(0.5)


def test_models_of_an_ensemble_are_compared_by_the_mean_of_their_passes():
    passes = np.zeros((2, 2, 1, 1, 4), np.float32)
    passes[0, 0, 0, 0, :] = (1.0, 1.0, 0.0, 0.0)
    passes[0, 1, 0, 0, :] = (1.0, 0.4, 0.0, 0.0)  # mean 1, 0.7
    passes[1, :, 0, 0, 0] = 1.0
    found = measure_uncertainty(passes, passes.mean(axis=(0, 1)), 0.5)
    assert found.members == 2
    assert found.pairwise_dice == pytest.approx(2 * 1 / (2 + 1))
    # Plain against mirrored: 2 and 1 voxels in the first model, equal in the second.
    assert found.mirror_dice == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.parametrize("member", [0, 6, 11])
def test_entropy_counts_what_a_single_member_draws(member):
    """One of twelve draws the second voxel: a mean of 1/12, below what counts as possible."""
    passes = np.zeros((12, 1, 1, 1, 2), np.float32)
    passes[..., 0] = 1.0
    passes[member, ..., 1] = 1.0
    found = measure_uncertainty(passes, passes.mean(axis=(0, 1)), 0.5)
    p = 1 / 12
    assert found.entropy_bits == pytest.approx(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)) / 2, rel=1e-5)


def test_a_tenth_is_possible_and_less_is_not():
    """Of 0.1 and 0.5 the mean entropy; 0.0999 is left aside, though half a coin toss."""
    for low, bits in ((0.1, (1 + 0.468996) / 2), (0.0999, 1.0)):
        mean = np.array([low, 0.5], np.float32).reshape(1, 1, 2)
        found = measure_uncertainty(mean[None, None], mean, 0.9)
        assert found.entropy_bits == pytest.approx(bits, abs=1e-4)
        assert found.peak == 0.5


def test_members_are_drawn_at_the_threshold_of_the_draft():
    """Of 0.2, 0.6 and 0.9 in one model, 0.9, 0.2 and 0.7 in the other: one, two or three voxels each."""
    passes = np.array([[0.2, 0.6, 0.9], [0.9, 0.2, 0.7]], np.float32).reshape(2, 1, 1, 1, 3)
    mean = passes.mean(axis=(0, 1))  # 0.55, 0.4, 0.8
    for threshold, dice, spread in (
        (0.15, 1.0, 0.0),
        (0.5, 0.5, 0.0),
        (0.65, 2 / 3, 1 / 1.5),
        (0.8, 0.0, 0.0),
    ):
        found = measure_uncertainty(passes, mean, threshold)
        assert (found.pairwise_dice, found.volume_spread) == (pytest.approx(dice), pytest.approx(spread))
        assert found.peak == pytest.approx(0.8)
    halves = measure_uncertainty(passes.reshape(1, 2, 1, 1, 3), mean, 0.65)
    assert halves.mirror_dice == halves.pairwise_dice == pytest.approx(2 / 3)


def test_single_pass_has_nobody_to_disagree_with():
    member = np.full((1, 1, 2), 0.25, np.float32)
    found = measure_uncertainty(member[None, None], member, 0.5)
    assert (found.pairwise_dice, found.mirror_dice, found.volume_spread, found.soft_dice) == (None,) * 4
    assert found.entropy_bits == pytest.approx(-0.25 * np.log2(0.25) - 0.75 * np.log2(0.75))


def test_a_model_that_draws_nothing_beside_one_that_does_disagrees_most():
    passes = np.zeros((2, 1, 1, 1, 4), np.float32)
    passes[0, ..., :2] = 1.0
    found = measure_uncertainty(passes, passes.mean(axis=(0, 1)), 0.5)
    assert (found.pairwise_dice, found.volume_spread) == (0.0, 2.0)


def test_empty_members_agree():
    member = np.zeros((1, 1, 2), np.float32)
    found = measure_uncertainty(np.stack([member, member])[:, None], member, 0.5)
    assert found == Uncertainty(2, None, 1.0, None, 0.0, None, 0.0)


# Review

SURE = Uncertainty(2, 0.1, 0.95, None, 0.01, 0.95, 1.0)


def reasons(**changes) -> list[str]:
    mask = np.zeros((3, 3, 3), np.uint8)
    mask[1, 1, 1] = 1
    known = {
        "lesions": find_lesions(mask, grid_of(mask.shape)),
        "uncertainty": SURE,
        "threshold": 0.5,
        "dropped_ml": 0.0,
        "faces": [],
        "fallback": False,
        "expected_dice": 0.9,
        "review_dice": 0.7,
    }
    return list(review_reasons(**(known | changes)))


def test_a_sure_draft_has_no_reason():
    assert reasons() == reasons(expected_dice=None) == reasons(dropped_ml=0.3) == []


def test_all_reasons_in_their_order_and_word_by_word():
    lesion = find_lesions(np.ones((1, 1, 1), np.uint8), grid_of((1, 1, 1)))
    vague = Uncertainty(5, 0.81, 0.42, 0.3, 0.2, 0.1, 0.93)
    known = {"uncertainty": vague, "fallback": True, "faces": ["caudal"], "expected_dice": 0.55}
    shared = [
        "No plausible lungs were found; the whole body was searched.",
        "The draft reaches the caudal end of the lung box; the tumour may go on beyond it.",
        "The expected Dice is 0.55, below 0.65.",
        "5 predictions disagree: their mean Dice with each other is 0.42, below 0.65.",
    ]
    assert reasons(**known, lesions=lesion * 4, review_dice=0.65) == [
        *shared, "The probability is vague (mean entropy 0.81 bits).", "The draft has 4 separate parts."
    ]  # fmt: skip
    nothing = (
        "No GTV found (highest probability 0.93, drawn from 0.95; 0.31 ml in parts below the smallest lesion were "
        "dropped)."
    )
    assert reasons(**known, lesions=[], threshold=0.95, dropped_ml=0.31, review_dice=0.65) == [
        nothing,
        *shared,
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lesions": []}, "No GTV found (highest probability 1.00, drawn from 0.50)"),
        ({"lesions": [], "dropped_ml": 0.3}, "0.30 ml in parts below the smallest lesion were dropped"),
        ({"fallback": True}, "No plausible lungs were found"),
        ({"faces": ["cranial", "left"]}, "reaches the cranial, left end of the lung box"),
        ({"expected_dice": 0.55}, "expected Dice is 0.55, below 0.70"),
        ({"expected_dice": 0.0}, "expected Dice is 0.00, below 0.70"),
        (
            {"uncertainty": Uncertainty(2, 0.1, 0.0, None, 2.0, 0.9, 1.0)},
            "mean Dice with each other is 0.00, below",
        ),
        ({"uncertainty": Uncertainty(5, 0.1, 0.4, None, 0.5, 0.9, 1.0)}, "5 predictions disagree"),
        ({"uncertainty": Uncertainty(1, 0.9, None, None, None, 0.5, 0.8)}, "mean entropy 0.90 bits"),
    ],
)
def test_each_reason_has_its_words(changes, words):
    (found,) = reasons(**changes)
    assert words in found


@pytest.mark.parametrize(
    ("fine", "doubtful"),
    [
        (
            {"uncertainty": replace(SURE, entropy_bits=0.72)},
            {"uncertainty": replace(SURE, entropy_bits=0.721)},
        ),
        (
            {"uncertainty": replace(SURE, pairwise_dice=0.7)},
            {"uncertainty": replace(SURE, pairwise_dice=0.699)},
        ),
        ({"expected_dice": 0.7}, {"expected_dice": 0.699}),
    ],
    ids=["entropy", "disagreement", "expected Dice"],
)
def test_reasons_begin_at_their_limits(fine, doubtful):
    assert reasons(**fine) == [] and len(reasons(**doubtful)) == 1


def test_results_hold_six_decimals_at_any_depth():
    assert rounded({"a": [0.12345678, {"b": np.array([0.1, 2.00000049])}], "c": 3}) == {
        "a": [0.123457, {"b": [0.1, 2.0]}],
        "c": 3,
    }


def test_many_parts_are_a_reason():
    lesion = find_lesions(np.ones((1, 1, 1), np.uint8), grid_of((1, 1, 1)))
    assert reasons(lesions=lesion * 3) == []
    assert "4 separate parts" in reasons(lesions=lesion * 4)[0]


def test_faces_of_the_box_count_only_where_the_scan_goes_on():
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[0, 1, 1] = mask[2, 3, 2] = mask[2, 2, 0] = 1
    assert touched_faces(mask, (2, 2, 2), (8, 8, 8)) == ["caudal", "posterior", "right"]
    # The box begins at the first slice and ends at the last row.
    assert touched_faces(mask, (0, 4, 2), (8, 8, 8)) == ["right"]
