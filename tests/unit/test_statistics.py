"""Cohort statistics: by hand, seeded, and with every missed tumour counted in every aggregate."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lunggtv.errors import CohortError
from lunggtv.evaluate.columns import loss, metric_directions, table_columns
from lunggtv.evaluate.comparison import (
    COMPARISON_COLUMNS,
    PATIENT_COLUMNS,
    compare_records,
    comparison_rows,
    patient_rows,
)
from lunggtv.evaluate.evaluate_settings import CohortSettings, EvaluateSettings
from lunggtv.evaluate.score import score_masks
from lunggtv.evaluate.summary import by_volume, summarise_records, summarise_review
from lunggtv.statistics import auroc, describe, paired_difference, rank_correlation

COHORT = CohortSettings(resamples=500, seed=1, volume_edges_ml=(0.2, 0.5))
SPACING_MM = (5.0, 2.0, 1.0)


def block(size_x: int, start_x: int = 0) -> np.ndarray:
    mask = np.zeros((4, 6, 20), dtype=np.uint8)
    mask[1:3, 1:5, start_x : start_x + size_x] = 1
    return mask


def record(
    patient: str, label: np.ndarray, prediction: np.ndarray, fold: int = 0, contact: bool | None = False
):
    scores = score_masks(label, prediction, SPACING_MM, EvaluateSettings((2.0, 10.0, 2.5), 0.1))
    share = None if contact is None else 0.5 * contact
    return scores | {"patient": patient, "fold": fold, "contact": contact, "contact_share": share}


def cohort() -> list[dict]:
    """One good draft, one missed tumour, one false alarm, one draft beside the tumour, one right nothing."""
    return [
        record("1", block(4), block(4)),
        record("2", block(8), block(0), fold=1, contact=True),
        record("3", block(0), block(4), contact=None),
        record("4", block(4), block(4, start_x=10), fold=1),
        record("5", block(0), block(0), contact=None),
    ]


def test_description_by_hand():
    found = describe([1.0, 2.0, 3.0, 10.0], resamples=200, seed=0)
    assert (found["n"], found["mean"], found["median"]) == (4, 4.0, 2.5)
    assert (found["q1"], found["q3"]) == (1.75, 4.75)
    assert (found["minimum"], found["maximum"]) == (1.0, 10.0)
    assert found["sd"] == pytest.approx(math.sqrt((9 + 4 + 1 + 36) / 3))
    low, high = found["ci95"]
    assert 1.0 <= low <= 4.0 <= high <= 10.0


def test_interval_of_two_patients_reaches_both():
    """Of two patients a quarter of all draws is twice the one, a quarter twice the other."""
    assert describe([0.0, 1.0], resamples=1000, seed=0)["ci95"] == [0.0, 1.0]


def test_interval_of_many_equals_theory():
    """For 400 normal values the interval of the mean is mean +- 1.96 SD / 20, within its sampling error."""
    values = np.random.default_rng(5).normal(0.7, 0.2, 400)
    low, high = describe(values, resamples=4000, seed=3)["ci95"]
    half = 1.96 * values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - half, abs=0.002)
    assert high == pytest.approx(values.mean() + half, abs=0.002)


def test_intervals_repeat_with_the_seed_and_no_values_are_no_crash():
    values = [0.1, 0.5, 0.9, 0.7]
    assert describe(values, 300, 7) == describe(values, 300, 7)
    assert describe(values, 300, 7)["ci95"] != describe(values, 300, 8)["ci95"]
    assert describe([], 300, 7)["mean"] is None
    assert describe([0.3], 300, 7)["ci95"] == [0.3, 0.3]


def test_auroc_by_hand():
    # Pairs (positive, negative): 3>1, 3>2, 2>1, 2=2 -> 3.5 of 4.
    assert auroc([3, 2, 1, 2], [True, True, False, False]) == 3.5 / 4
    assert auroc([1, 2], [True, True]) is None
    assert rank_correlation([1, 2, 3], [10, 20, 15]) == pytest.approx(0.5)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None


def test_paired_difference_by_hand():
    """Six patients, all better by different amounts: the exact two-sided p is 2 / 2**6."""
    second = np.zeros(6)
    first = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    found = paired_difference(first, second, resamples=300, seed=0)
    assert found.mean_difference == pytest.approx(0.35)
    assert found.median_difference == pytest.approx(0.35)
    assert found.wilcoxon_p == pytest.approx(2 / 64)
    assert found.ci95[0] > 0
    assert paired_difference(first, first, 300, 0).wilcoxon_p == 1.0


def test_every_patient_counts_in_every_aggregate():
    summary = summarise_records(cohort(), COHORT)
    assert summary["patients"] == 5
    assert summary["outcomes"] == {"scored": 2, "missed": 1, "false_alarm": 1, "both_empty": 1}
    assert summary["failures"] == ["2", "3", "4"]
    assert summary["no_overlap"] == ["2", "3", "4"]
    metrics = summary["metrics"]
    diagonal = math.sqrt(20**2 + 12**2 + 20**2)
    assert metrics["dice"]["mean"] == pytest.approx((1 + 0 + 0 + 0 + 1) / 5)
    assert metrics["dice"] == describe([1.0, 0.0, 0.0, 0.0, 1.0], resamples=500, seed=1)
    # The draft beside the tumour lies 10 mm away; missed and false alarm count with the diagonal.
    assert metrics["hd_mm"]["mean"] == pytest.approx((0 + diagonal + diagonal + 10 + 0) / 5)
    assert metrics["surface_dice_2mm"]["n"] == metrics["assd_mm"]["n"] == 5
    for key in metric_directions(cohort()):
        assert metrics[key]["n"] == 5 or key.endswith(("slices", "error_mm", "percent")) or "shift_" in key, (
            key
        )
    # Signed errors say how many patients they rest on.
    assert metrics["cranial_error_mm"]["n"] == 2
    assert metrics["volume_error_percent"]["n"] == 4


def test_missing_a_tumour_never_improves_the_mean():
    good = record("2", block(8), block(6))
    drawn, missed = cohort(), cohort()
    drawn[1] = good
    for key, better in metric_directions(drawn).items():
        if better == "zero":
            continue
        worse = loss(summarise_records(missed, COHORT)["metrics"][key]["mean"], better)
        assert worse > loss(summarise_records(drawn, COHORT)["metrics"][key]["mean"], better) or key in (
            "lesions_false",
        ), key


def test_strata_hold_everybody_they_should():
    summary = summarise_records(cohort(), COHORT)
    assert [(s["name"], s["patients"]) for s in summary["strata"]["volume"]] == [
        ("below 0.2 ml", 2),
        ("0.2 to 0.5 ml", 2),
        ("0.5 ml and more", 1),
    ]
    assert [(s["name"], s["patients"], s["failures"]) for s in summary["strata"]["contact"]] == [
        ("within the lung", 2, 1),
        ("touches pleura or mediastinum", 1, 1),
        ("empty label", 2, 1),
    ]
    for strata in summary["strata"].values():
        assert sum(stratum["patients"] for stratum in strata) == 5, "nobody is dropped"
    assert [(s["name"], s["patients"]) for s in summary["strata"]["fold"]] == [("fold 0", 3), ("fold 1", 2)]
    means = {kind: [s["metrics"]["dice"]["mean"] for s in found] for kind, found in summary["strata"].items()}
    assert means == {"fold": [2 / 3, 0.0], "volume": [0.5, 0.5, 0.0], "contact": [0.5, 0.0, 0.5]}
    hd95 = [s["metrics"]["hd95_mm"]["mean"] for s in summary["strata"]["contact"]]
    assert hd95 == pytest.approx([5.0, math.sqrt(944), math.sqrt(944) / 2])
    assert set(summary["strata"]["fold"][0]["metrics"]) == {
        "dice", "hd95_mm", "added_path_length_mm", "volume_error_percent"
    }  # fmt: skip
    assert summary["lesions"] == {
        "label": 3, "found": 1, "missed": 2, "false": 2, "sensitivity": 1 / 3, "false_per_patient": 2 / 5
    }  # fmt: skip
    assert summary["bootstrap"] == {"resamples": 500, "seed": 1}


def test_a_draft_that_overlaps_too_little_has_failed_in_every_count():
    """8 columns of which 2 are drawn: a Dice of 0.4."""
    records = [*cohort(), record("6", block(8), block(2), fold=1, contact=True)]
    summary = summarise_records(records, COHORT)
    assert summary["failures"] == ["2", "3", "4", "6"] and summary["no_overlap"] == ["2", "3", "4"]
    strata = {
        kind: [(s["name"], s["patients"], s["failures"]) for s in found]
        for kind, found in summary["strata"].items()
    }
    assert strata == {
        "fold": [("fold 0", 3, 1), ("fold 1", 3, 3)],
        "volume": [("below 0.2 ml", 2, 1), ("0.2 to 0.5 ml", 2, 1), ("0.5 ml and more", 2, 2)],
        "contact": [
            ("within the lung", 2, 1),
            ("touches pleura or mediastinum", 2, 2),
            ("empty label", 2, 1),
        ],
    }
    drafts = [
        {"patient": "6", "expected_dice": 0.9, "review": []},
        {"patient": "1", "expected_dice": 0.7, "review": ["uncertain"]},
        {"patient": "4", "expected_dice": None, "review": ["uncertain"]},
    ]
    review = summarise_review(records, drafts)
    counts = [review[key] for key in ("patients", "flagged", "failures", "failures_flagged", "failure_auroc")]
    assert counts == [3, 2, 2, 1, 0.0]


@settings(max_examples=50)
@given(st.lists(st.floats(0, 500), max_size=20), st.lists(st.floats(0.1, 400), unique=True, max_size=4))
def test_volume_strata_part_the_patients(volumes, edges):
    records = [{"label_ml": volume} for volume in volumes]
    strata = by_volume(records, sorted(edges))
    assert sorted(r["label_ml"] for group in strata.values() for r in group) == sorted(volumes)


def test_outcomes_that_nobody_had_are_counted_as_none():
    summary = summarise_records([record("1", block(4), block(4))], COHORT)
    assert summary["outcomes"] == {"scored": 1, "missed": 0, "false_alarm": 0, "both_empty": 0}


def test_a_volume_on_an_edge_belongs_to_the_larger():
    strata = by_volume([{"label_ml": volume} for volume in (0.0, 5.0, 10.0)], [5.0, 10.0])
    assert [[record["label_ml"] for record in group] for group in strata.values()] == [[0.0], [5.0], [10.0]]


def test_edges_and_tolerances_may_stand_in_any_order():
    records = cohort()
    turned = replace(COHORT, volume_edges_ml=COHORT.volume_edges_ml[::-1])
    assert summarise_records(records, turned) == summarise_records(records, COHORT)
    for one in records[:2]:
        shares = [key for key in one if key.startswith("surface_dice")]
        assert shares == ["surface_dice_2mm", "surface_dice_2.5mm", "surface_dice_10mm"]


def test_the_interval_of_a_paired_difference_is_that_of_a_mean():
    """Of 400 differences the bootstrap gives the interval of the normal distribution."""
    values = np.random.default_rng(5).normal(0.1, 0.2, 400)
    low, high = paired_difference(values, np.zeros(400), 4000, 3).ci95
    half = 1.96 * values.std(ddof=1) / np.sqrt(400)
    assert (low, high) == (
        pytest.approx(values.mean() - half, abs=0.002),
        pytest.approx(values.mean() + half, abs=0.002),
    )


def test_review_by_hand():
    records = cohort()
    drafts = [
        {"patient": "1", "expected_dice": 0.5, "review": ["uncertain"]},
        {"patient": "2", "expected_dice": 0.2, "review": ["nothing drawn"]},
        {"patient": "3", "expected_dice": 0.6, "review": []},
        {"patient": "4", "expected_dice": 0.4, "review": ["uncertain"]},
        {"patient": "5", "expected_dice": None, "review": ["nothing drawn"]},
        {"patient": "unlabelled", "expected_dice": 0.9, "review": ["uncertain"]},
    ]
    # Dice of 1, 0, 0, 0: ranks 4, 2, 2, 2 beside 3, 1, 4, 2.
    assert summarise_review(records, drafts) == {
        "patients": 5, "flagged": 4, "failures": 3, "failures_flagged": 2, "failure_auroc": pytest.approx(2 / 3),
        "expected_dice_error": pytest.approx((0.5 + 0.2 + 0.6 + 0.4) / 4),
        "rank_correlation": pytest.approx(1 / math.sqrt(15)),
    }  # fmt: skip
    assert summarise_review(records, [])["failure_auroc"] is None


def test_an_empty_cohort_is_described():
    summary = summarise_records([], COHORT)
    assert summary["patients"] == 0
    assert summary["failures"] == []


def test_columns_order_the_tolerances_by_size():
    columns = table_columns(cohort())
    surface = [column for column in columns if column.startswith("surface_dice")]
    assert surface == ["surface_dice_2mm", "surface_dice_2.5mm", "surface_dice_10mm"]
    assert columns[:4] == ["patient", "fold", "outcome", "dice"]
    assert len(set(columns)) == len(columns)
    assert set(columns) <= set(cohort()[0])


def test_directions_of_signed_errors_and_of_lesions():
    directions = metric_directions(cohort())
    assert {key for key, better in directions.items() if better == "zero"} == {
        "volume_error_ml", "volume_error_percent", "centroid_shift_cranial_mm", "centroid_shift_posterior_mm",
        "centroid_shift_left_mm", "cranial_error_slices", "cranial_error_mm", "caudal_error_slices", "caudal_error_mm",
    }  # fmt: skip
    lesions = [directions[f"lesions_{name}"] for name in ("found", "missed", "false")]
    assert lesions == ["higher", "lower", "lower"]
    assert directions["surface_dice_2.5mm"] == directions["jaccard"] == "higher"


def test_comparison_by_hand():
    first = [
        record("1", block(4), block(4)),
        record("2", block(4), block(2), contact=True),
        record("3", block(4), block(4)),
    ]
    second = [
        record("1", block(4), block(2)),
        record("2", block(4), block(0)),
        record("3", block(4), block(4)),
    ]
    comparison = compare_records("ours", first, "theirs", second, COHORT)
    dice = comparison["metrics"]["dice"]
    two_thirds = 2 * 2 / (2 + 4)
    assert dice["mean_difference"] == pytest.approx(((1 - two_thirds) + two_thirds + 0) / 3)
    assert dice["wins"] == {"first": 2, "second": 0, "ties": 1}
    assert comparison["metrics"]["hd95_mm"]["wins"] == {"first": 2, "second": 0, "ties": 1}
    assert comparison["failures"] == {"first": [], "second": ["2"]}
    assert [worst["patient"] for worst in comparison["worst"]["second"]] == ["2", "1", "3"]
    diagonal = math.sqrt(20**2 + 12**2 + 20**2)
    missed = {"patient": "2", "dice": 0.0, "hd95_mm": pytest.approx(diagonal), "outcome": "missed"}
    assert comparison["worst"]["second"][0] == missed
    assert comparison["dice"] == [
        {"patient": "1", "first": 1.0, "second": two_thirds, "winner": "first"},
        {"patient": "2", "first": two_thirds, "second": 0.0, "winner": "first"},
        {"patient": "3", "first": 1.0, "second": 1.0, "winner": "tie"},
    ]
    assert (comparison["first"], comparison["second"], comparison["patients"]) == ("ours", "theirs", 3)
    rows = comparison_rows(comparison)
    assert dict(zip(COMPARISON_COLUMNS, rows[0], strict=True)) == {
        "metric": "dice", "better": "higher", "patients": 3, "first": "ours", "second": "theirs",
        "first_mean": pytest.approx((2 + two_thirds) / 3), "second_mean": pytest.approx((1 + two_thirds) / 3),
        "mean_difference": pytest.approx(1 / 3), "ci95_low": 0.0, "ci95_high": pytest.approx(two_thirds),
        "median_difference": pytest.approx(1 - two_thirds), "wilcoxon_p": 0.5, "first_wins": 2, "second_wins": 0,
        "ties": 1,
    }  # fmt: skip
    table = [dict(zip(PATIENT_COLUMNS, row, strict=True)) for row in patient_rows(comparison, first, second)]
    assert [row["patient"] for row in table] == ["3", "1", "2"], "where the first loses most comes first"
    assert table[2] == {
        "patient": "2", "label_ml": pytest.approx(0.32), "contact": True, "first": "ours", "second": "theirs",
        "first_dice": two_thirds, "second_dice": 0.0, "dice_difference": two_thirds, "winner": "ours",
        "first_hd95_mm": 2.0, "second_hd95_mm": pytest.approx(diagonal), "first_outcome": "scored",
        "second_outcome": "missed", "among_the_worst_of": "ours, theirs",
    }  # fmt: skip
    assert [row["winner"] for row in table] == ["tie", "ours", "ours"]
    assert [row["dice_difference"] for row in table] == [0.0, pytest.approx(1 - two_thirds), two_thirds]


def test_the_five_worst_of_either_set_are_named():
    first = [record(str(n), block(8), block(n)) for n in range(1, 8)]
    second = [record(str(n), block(8), block(8 - n)) for n in range(1, 8)]
    comparison = compare_records("a", first, "b", second, COHORT)
    worst = comparison["worst"]
    assert [one["patient"] for one in worst["first"]] == ["1", "2", "3", "4", "5"]
    assert [one["patient"] for one in worst["second"]] == ["7", "6", "5", "4", "3"]
    rows = {row[0]: row[-1] for row in patient_rows(comparison, first, second)}
    assert [rows[patient] for patient in "1234567"] == ["a", "a", "a, b", "a, b", "a, b", "b", "b"]


def test_of_drafts_without_overlap_the_farthest_is_the_worst():
    """Missed and false alarm have the diagonal, the draft beside the tumour 10 mm."""
    apart = cohort()[0] | {"patient": "6", "dice": 0.9, "hd95_mm": 99.0}  # a good draft with a speck far away
    records = [*cohort()[::-1], apart]
    worst = compare_records("a", records, "b", records, COHORT)["worst"]["first"]
    by_patient = {one["patient"]: one for one in records}
    assert worst == [
        {key: by_patient[patient][key] for key in ("patient", "dice", "hd95_mm", "outcome")}
        for patient in ("3", "2", "4", "6", "5")
    ]


def test_opposite_errors_do_not_cancel_in_a_comparison():
    """Volumes of -50 and +50 % against +25 and -25 %: the second is better in both patients."""
    first = [record("1", block(4), block(2)), record("2", block(4), block(6))]
    second = [record("1", block(4), block(5)), record("2", block(4), block(3))]
    error = compare_records("a", first, "b", second, COHORT)["metrics"]["volume_error_percent"]
    assert error["mean_difference"] == pytest.approx(25.0)
    assert error["first"]["mean"] == pytest.approx(50.0)
    assert error["wins"] == {"first": 0, "second": 2, "ties": 0}


def test_a_metric_is_compared_of_those_for_whom_both_sets_have_it():
    first = [record(str(n), block(8), block(n + 1)) for n in range(4)]
    second = [record(str(n), block(8), block(n + 2)) for n in range(4)]
    first[0]["volume_error_percent"] = second[1]["volume_error_percent"] = None
    for one in (*first, *second):
        one["jaccard"] = None
    comparison = compare_records("a", first, "b", second, COHORT)
    error = comparison["metrics"]["volume_error_percent"]
    assert (error["patients"], error["first"]["n"], error["second"]["n"]) == (2, 2, 2)
    # Of 8 columns 3 and 4 are drawn, or 4 and 5.
    means = (error["first"]["mean"], error["second"]["mean"], error["mean_difference"])
    assert means == (pytest.approx(56.25), pytest.approx(43.75), pytest.approx(12.5))
    assert error["wins"] == {"first": 0, "second": 2, "ties": 0}
    assert comparison["metrics"]["jaccard"] == {"better": "higher", "patients": 0}
    rows = {row[0]: dict(zip(COMPARISON_COLUMNS, row, strict=True)) for row in comparison_rows(comparison)}
    assert "jaccard" not in rows and rows["dice"]["patients"] == 4
    assert rows["volume_error_percent"]["patients"] == 2


def test_only_the_same_patients_are_compared():
    with pytest.raises(
        CohortError, match=r"^ours and theirs cannot be compared: only one of them has 2, 3, 4, 5, 6"
    ):
        compare_records(
            "ours", cohort()[:3], "theirs", [cohort()[0] | {"patient": p} for p in "1456"], COHORT
        )
