"""The cohort in numbers: every patient counts, a missed tumour with the worst value there is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from lunggtv.evaluate.columns import metric_directions
from lunggtv.evaluate.evaluate_settings import CohortSettings
from lunggtv.evaluate.outcomes import OUTCOMES, is_failure
from lunggtv.statistics import auroc, describe, rank_correlation

Record = Mapping[str, Any]

# Agreement between physicians: mean pairwise Dice of five observers on CT, lowest and highest of five cases
# and their mean (NSCLC-Radiomics-Interobserver1).
HUMAN_DICE = {"low": 0.77, "high": 0.91, "mean": 0.82}
HUMAN_SOURCE = "NSCLC-Radiomics-Interobserver1: mean pairwise Dice of five observers in each of five tumours"
STRATUM_METRICS = ("dice", "hd95_mm", "added_path_length_mm", "volume_error_percent")


def summarise_records(records: Sequence[Record], settings: CohortSettings) -> dict[str, Any]:
    """The content of summary.json, but for the review of the drafts."""
    counts = Counter(record["outcome"] for record in records)
    return {
        "patients": len(records),
        "outcomes": {outcome: counts[outcome] for outcome in OUTCOMES},
        "metrics": {key: _describe(records, key, settings) for key in metric_directions(records)},
        "failures": failures(records),
        "no_overlap": [r["patient"] for r in records if r["dice"] == 0],
        "lesions": _lesions(records),
        "strata": {
            "fold": _strata(_by_fold(records), settings),
            "volume": _strata(by_volume(records, sorted(settings.volume_edges_ml)), settings),
            "contact": _strata(by_contact(records), settings),
        },
        "human_band": {"dice": HUMAN_DICE, "source": HUMAN_SOURCE},
        "bootstrap": {"resamples": settings.resamples, "seed": settings.seed},
    }


def summarise_review(records: Sequence[Record], drafts: Sequence[Record]) -> dict[str, Any]:
    """How well the drafts' own estimates foretold their quality.

    Args:
        records: scores of the patients.
        drafts: contents of infer.json; those without a score are left out.

    Returns:
        ``patients``; ``expected_dice_error``: mean absolute difference between expected and true Dice;
        ``rank_correlation`` of both; ``failure_auroc``: how well low expected Dice finds failures;
        ``flagged``, ``failures_flagged``, ``failures``: counts. None where nothing can be computed.
    """
    by_patient = {draft["patient"]: draft for draft in drafts}
    pairs = [(r, by_patient[r["patient"]]) for r in records if r["patient"] in by_patient]
    estimated = [(r, d["expected_dice"]) for r, d in pairs if d["expected_dice"] is not None]
    true = [r["dice"] for r, _ in estimated]
    expected = [value for _, value in estimated]
    failed = [is_failure(r["outcome"], r["dice"]) for r, _ in estimated]
    gaps = [abs(a - b) for a, b in zip(true, expected, strict=True)]
    return {
        "patients": len(pairs),
        "expected_dice_error": sum(gaps) / len(gaps) if gaps else None,
        "rank_correlation": rank_correlation(expected, true),
        "failure_auroc": auroc([-value for value in expected], failed),
        "flagged": sum(bool(d["review"]) for _, d in pairs),
        "failures": sum(is_failure(r["outcome"], r["dice"]) for r, _ in pairs),
        "failures_flagged": sum(bool(d["review"]) for r, d in pairs if is_failure(r["outcome"], r["dice"])),
    }


def failures(records: Sequence[Record]) -> list[str]:
    """Patients whose draft is missed, a false alarm or below ``FAILED_DICE``; worst first."""
    failed = [r for r in records if is_failure(r["outcome"], r["dice"])]
    return [r["patient"] for r in sorted(failed, key=lambda r: r["dice"])]


def by_volume(records: Sequence[Record], edges_ml: Sequence[float]) -> dict[str, list[Record]]:
    """Patients by the volume of their label; a volume on an edge belongs to the larger stratum."""
    if not edges_ml:
        return {"all volumes": list(records)}
    first, last = edges_ml[0], edges_ml[-1]
    limits = [(f"below {first:g} ml", -1.0, first)]
    limits += [(f"{a:g} to {b:g} ml", a, b) for a, b in pairwise(edges_ml)]
    limits += [(f"{last:g} ml and more", last, float("inf"))]
    return {name: [r for r in records if low <= r["label_ml"] < high] for name, low, high in limits}


def by_contact(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Patients by whether the tumour touches the wall; those without one only where there are any."""
    strata = {
        "within the lung": [r for r in records if r["contact"] is False],
        "touches pleura or mediastinum": [r for r in records if r["contact"] is True],
    }
    unlabelled = [r for r in records if r["contact"] is None]
    return strata | ({"empty label": unlabelled} if unlabelled else {})


def _by_fold(records: Sequence[Record]) -> dict[str, list[Record]]:
    folds = sorted({r["fold"] for r in records if r["fold"] is not None})
    return {f"fold {fold}": [r for r in records if r["fold"] == fold] for fold in folds}


def _strata(strata: Mapping[str, Sequence[Record]], settings: CohortSettings) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "patients": len(group),
            "failures": len(failures(group)),
            "metrics": {key: _describe(group, key, settings) for key in STRATUM_METRICS},
        }
        for name, group in strata.items()
    ]


def _describe(records: Sequence[Record], key: str, settings: CohortSettings) -> dict[str, Any]:
    values = [record[key] for record in records if record[key] is not None]
    return describe(values, settings.resamples, settings.seed)


def _lesions(records: Sequence[Record]) -> dict[str, Any]:
    total = {
        name: sum(r[f"lesions_{name}"] for r in records) for name in ("label", "found", "missed", "false")
    }
    share = total["found"] / total["label"] if total["label"] else None
    return total | {
        "sensitivity": share,
        "false_per_patient": total["false"] / len(records) if records else None,
    }
