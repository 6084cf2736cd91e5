"""What out-of-fold predictions teach: thresholds, smallest lesions and expected Dice, by hand."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lunggtv.infer.calibration import (
    THRESHOLDS,
    choose_smallest_lesion,
    choose_threshold,
    dice_curve,
    lesion_curve,
)
from lunggtv.infer.draft_quality import measure_quality
from lunggtv.infer.expected_dice import ExpectedDice, figures, fit_expected_dice
from lunggtv.infer.uncertainty import Uncertainty
from lunggtv.statistics import drawn_patients


@settings(max_examples=60, deadline=None)
@given(
    probability=arrays(np.float32, (2, 3, 4), elements=st.floats(0, 1, width=32)),
    label=arrays(np.uint8, (2, 3, 4), elements=st.integers(0, 1)),
)
def test_curve_is_the_dice_at_each_threshold(probability, label):
    curve = dice_curve(probability, label)
    for threshold, found in zip(THRESHOLDS, curve, strict=True):
        drawn = probability >= np.float32(threshold)
        total = int(drawn.sum()) + int(label.sum())
        assert found == pytest.approx(2 * int((drawn & (label > 0)).sum()) / total if total else 1.0)


def test_dropping_small_parts_changes_dice_as_it_should():
    drawn = np.zeros((1, 3, 10), bool)
    label = np.zeros((1, 3, 10), np.uint8)
    drawn[0, 0, :4] = label[0, 0, :4] = 1
    drawn[0, 2, 8:] = True  # false, 2 voxels of 0.1 ml
    sizes_ml = (0.0, 0.2, 0.3, 0.5)
    # 4 of 6 drawn are right; without the false part all are; dropping the tumour too leaves nothing.
    assert lesion_curve(drawn, label, 0.1, sizes_ml) == pytest.approx([8 / 10, 8 / 10, 1.0, 0.0])
    assert choose_smallest_lesion(np.asarray([[0.8, 0.8, 1.0, 0.0]]), sizes_ml) == 0.3


def test_parts_that_touch_by_a_corner_are_one_as_in_drafts():
    drawn = np.zeros((2, 3, 4), bool)
    drawn[0, 0, 0] = drawn[1, 1, 1] = True  # 0.2 ml together
    label = drawn.astype(np.uint8)
    assert lesion_curve(drawn, label, 0.1, (0.15, 0.25)) == pytest.approx([1.0, 0.0])


def test_of_equal_sizes_the_smallest_is_taken():
    assert choose_smallest_lesion(np.asarray([[0.5, 0.7, 0.7, 0.6]]), (0.0, 0.1, 0.2, 0.3)) == 0.1


def curves(best: float, patients: int, noise: float = 0.0) -> np.ndarray:
    """Dice that falls off from a best threshold, a little differently from patient to patient."""
    rng = np.random.default_rng(0)
    fall = 1 - (np.asarray(THRESHOLDS) - best) ** 2
    return fall + noise * rng.standard_normal((patients, len(THRESHOLDS)))


def test_clear_best_threshold_is_taken():
    assert choose_threshold(curves(0.3, 20)) == 0.3


def test_chance_does_not_move_the_threshold_from_one_half():
    assert choose_threshold(curves(0.45, 6, noise=0.05)) == 0.5


def test_flat_curves_mean_one_half():
    assert choose_threshold(np.full((4, len(THRESHOLDS)), 0.8)) == 0.5
    assert choose_threshold(np.full((1, len(THRESHOLDS)), 0.8)) == 0.5


def uncertainty(
    soft_dice: float | None, entropy_bits: float = 0.5, mirror_dice: float | None = None
) -> Uncertainty:
    return Uncertainty(1, entropy_bits, None, mirror_dice, None, soft_dice, 1.0)


def test_expected_dice_follows_the_soft_dice():
    soft = np.linspace(0.4, 0.95, 40)
    learnt = fit_expected_dice([uncertainty(s) for s in soft], list(soft - 0.1))
    # Ridge draws the slope back by 1 in 41.
    assert learnt.estimate(uncertainty(0.9)) == pytest.approx(0.8, abs=0.02)
    assert learnt.estimate(uncertainty(0.5)) == pytest.approx(0.4, abs=0.02)
    assert ExpectedDice(**json.loads(json.dumps(asdict(learnt)))) == learnt


def test_a_figure_that_speaks_against_its_meaning_is_left_out():
    # Here the better the mirrored passes agree, the worse the Dice: chance, not to be learnt.
    rng = np.random.default_rng(0)
    soft = rng.uniform(0.5, 0.9, 12)
    known = [uncertainty(s, mirror_dice=1.4 - s) for s in soft]
    learnt = fit_expected_dice(known, list(soft))
    weights = dict(zip(learnt.names, learnt.weights, strict=True))
    assert weights["mirror_dice"] == 0.0
    assert weights["soft_dice"] > 0.05


def test_expected_dice_stays_between_0_and_1_and_is_0_for_nothing_drawn():
    learnt = fit_expected_dice(
        [uncertainty(s) for s in np.linspace(0.3, 0.6, 10)], list(np.linspace(0, 1, 10))
    )
    assert learnt.estimate(uncertainty(0.99)) == 1.0
    assert learnt.estimate(uncertainty(0.01)) == 0.0
    assert learnt.estimate(uncertainty(None)) == 0.0


def test_two_patients_move_the_threshold_only_where_they_agree():
    """Best at 0.3 for both, by 0.2 and by 0.2 or 0.4: with errors of 0 and 0.1 one half is worse."""
    half, best = THRESHOLDS.index(0.5), THRESHOLDS.index(0.3)
    for losses, chosen in (((0.2, 0.2), 0.3), ((0.2, 0.4), 0.3), ((0.0, 0.4), 0.5)):
        two = np.full((2, len(THRESHOLDS)), 0.1)
        two[:, best] = 0.9
        two[:, half] = 0.9 - np.array(losses)
        assert choose_threshold(two) == chosen


def test_six_patients_teach_an_expected_dice():
    dice = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert fit_expected_dice([uncertainty(d) for d in dice], dice).patients == 6


def test_a_single_figure_is_learnt_as_ridge_regression_says():
    """Standardised, its squares sum to the number of patients; the ridge adds one patient (Hoerl 1970)."""
    soft, dice = np.array([0.4, 0.5, 0.6, 0.7, 0.8, 0.9]), np.array([0.3, 0.5, 0.4, 0.8, 0.7, 0.9])
    learnt = fit_expected_dice([uncertainty(s) for s in soft], list(dice))
    z = (soft - soft.mean()) / soft.std()
    weight = float((z * dice).sum()) / (6 + 1)
    assert learnt.estimate(uncertainty(0.85)) == pytest.approx(
        dice.mean() + weight * (0.85 - soft.mean()) / soft.std()
    )
    assert learnt.estimate(uncertainty(0.0)) == 0.0, "never below 0"


def test_figures_of_zero_are_known_ones():
    """Members that have nothing in common, and a border without any doubt, say as much as others."""
    assert figures(uncertainty(0.9, entropy_bits=0.0, mirror_dice=0.0)) == {
        "certainty": 1.0, "soft_dice": 0.9, "mirror_dice": 0.0,
    }  # fmt: skip
    assert figures(uncertainty(0.9)) == {"certainty": 0.5, "soft_dice": 0.9}
    assert figures(uncertainty(None)) == {}


def test_figures_that_go_together_share_their_weight():
    """Two figures that both speak for a good draft have the weights of plain ridge regression, not more."""
    rng = np.random.default_rng(4)
    soft = rng.uniform(0.4, 0.95, 30)
    entropy = 1 - soft + rng.normal(0, 0.05, 30)
    dice = 0.9 * soft + rng.normal(0, 0.03, 30)
    learnt = fit_expected_dice([uncertainty(s, e) for s, e in zip(soft, entropy, strict=True)], list(dice))
    x = np.column_stack([1 - entropy, soft])
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    weights = np.linalg.solve(z.T @ z + np.eye(2), z.T @ (dice - dice.mean()))
    assert (weights > 0).all() and learnt.names == ["certainty", "soft_dice"]
    assert learnt.weights == pytest.approx(weights)


def test_few_patients_teach_no_expected_dice():
    assert fit_expected_dice([uncertainty(0.5 + i / 20) for i in range(5)], [0.5] * 5) is None
    # Patients where nothing was drawn do not count.
    assert fit_expected_dice([uncertainty(None)] * 20, [0.0] * 20) is None


def test_quality_of_a_perfect_and_of_a_useless_estimate():
    dice = [0.2, 0.4, 0.7, 0.8, 0.9, 0.85]
    perfect = measure_quality(dice, dice)
    assert (perfect["patients"], perfect["failed"]) == (6, 2)
    assert (perfect["mean_absolute_error"], perfect["auroc"]) == (0.0, 1.0)
    useless = measure_quality([0.5] * 6, dice)
    assert useless["auroc"] == 0.5
    assert useless["mean_absolute_error"] == pytest.approx((0.3 + 0.1 + 0.2 + 0.3 + 0.4 + 0.35) / 6)
    low, high = useless["mean_absolute_error_ci95"]
    assert low < useless["mean_absolute_error"] < high


def test_few_failures_give_no_interval():
    few = measure_quality([0.2, 0.7, 0.8, 0.9], [0.1, 0.8, 0.8, 0.8])
    assert few["auroc"] == 1.0
    assert few["auroc_ci95"] is None
    more = measure_quality([0.2, 0.3, 0.75, 0.7, 0.8, 0.9], [0.1, 0.1, 0.1, 0.8, 0.8, 0.8])
    assert more["auroc"] == pytest.approx(8 / 9)
    assert more["auroc_ci95"][0] < 8 / 9 <= more["auroc_ci95"][1]


@pytest.mark.parametrize(("failed", "rest", "told"), [(3, 3, True), (2, 9, False), (9, 2, False)])
def test_three_of_each_kind_make_an_interval(failed, rest, told):
    dice = [0.1] * failed + [0.8] * rest
    assert (measure_quality(dice, dice)["auroc_ci95"] is not None) == told


def test_a_draft_has_failed_below_one_half():
    assert measure_quality([0.5] * 3, [0.49, 0.5, 0.51])["failed"] == 1


def test_intervals_come_from_two_thousand_draws():
    expected, dice = np.random.default_rng(2).random((2, 30))
    errors = np.abs(expected - dice)
    means = errors[drawn_patients(30, 2000, 0)].mean(axis=1)
    found = measure_quality(expected, dice)["mean_absolute_error_ci95"]
    assert found == pytest.approx(np.percentile(means, (2.5, 97.5)))


def test_the_worst_estimate_has_an_auroc_of_zero_and_an_interval():
    """Failures expected best, the rest worst: every draw that has both kinds gives 0."""
    worst = measure_quality([0.9, 0.9, 0.9, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.9, 0.9, 0.9])
    assert (worst["auroc"], worst["auroc_ci95"]) == (0.0, [0.0, 0.0])


def test_no_auroc_without_failures():
    assert measure_quality([0.7, 0.8], [0.9, 0.9])["auroc"] is None


@pytest.mark.parametrize(
    ("tumour", "rest", "threshold"), [(0.07, 0.03, 0.05), (0.47, 0.42, 0.45), (0.97, 0.93, 0.95)]
)
def test_thresholds_lie_a_twentieth_apart_from_end_to_end(tumour, rest, threshold):
    label = np.zeros((2, 4, 5), np.uint8)
    label[0] = 1
    curve = dice_curve(np.where(label > 0, tumour, rest).astype(np.float32), label)
    assert choose_threshold(np.stack([curve, curve])) == threshold


@pytest.mark.parametrize(
    ("voxels", "smallest_ml"),
    [(4, 0.05), (5, 0.1), (10, 0.2), (20, 0.3), (29, 0.3), (30, 0.5), (49, 0.5), (50, 0.0)],
)
def test_false_parts_are_dropped_by_the_least_size_that_does_it_up_to_half_a_millilitre(voxels, smallest_ml):
    label = np.zeros((1, 3, 60), np.uint8)
    label[0, 0] = 1
    drawn = label.copy()
    drawn[0, 2, :voxels] = 1
    assert choose_smallest_lesion(lesion_curve(drawn, label, 0.01)[None]) == smallest_ml
