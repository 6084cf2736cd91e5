"""Two sets of drafts of the same patients: paired differences, who wins where, the worst of each.

The other set may be another run of ours (another seed, another setting) or another tool's masks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lunggtv.errors import CohortError
from lunggtv.evaluate.columns import Better, loss, metric_directions
from lunggtv.evaluate.evaluate_settings import CohortSettings
from lunggtv.evaluate.summary import Record, failures
from lunggtv.statistics import describe, paired_difference

WORST = 5
PATIENT_COLUMNS = (
    "patient", "label_ml", "contact", "first", "second", "first_dice", "second_dice", "dice_difference", "winner",
    "first_hd95_mm", "second_hd95_mm", "first_outcome", "second_outcome", "among_the_worst_of",
)  # fmt: skip
COMPARISON_COLUMNS = (
    "metric", "better", "patients", "first", "second", "first_mean", "second_mean", "mean_difference",
    "ci95_low", "ci95_high", "median_difference", "wilcoxon_p", "first_wins", "second_wins", "ties",
)  # fmt: skip


def compare_records(
    name: str,
    records: Sequence[Record],
    other_name: str,
    others: Sequence[Record],
    settings: CohortSettings,
) -> dict[str, Any]:
    """The content of comparison.json; differences are first minus second.

    Raises:
        CohortError: the sets hold different patients.
    """
    by_patient = {record["patient"]: record for record in others}
    mine = {record["patient"] for record in records}
    if mine != set(by_patient):
        apart = ", ".join(sorted(mine ^ set(by_patient)))
        raise CohortError(f"{name} and {other_name} cannot be compared: only one of them has {apart}.")
    pairs = [(record, by_patient[record["patient"]]) for record in records]
    directions = metric_directions([*records, *others])
    return {
        "first": name,
        "second": other_name,
        "patients": len(pairs),
        "metrics": {key: _compare(pairs, key, better, settings) for key, better in directions.items()},
        "failures": {"first": failures(records), "second": failures(others)},
        "worst": {"first": _worst(records), "second": _worst(others)},
        "dice": [
            {"patient": a["patient"], "first": a["dice"], "second": b["dice"], "winner": _winner(a, b)}
            for a, b in pairs
        ],
    }


def comparison_rows(comparison: Mapping[str, Any]) -> list[list[Any]]:
    """Rows of the comparison table, in the order of COMPARISON_COLUMNS."""
    return [
        [
            key, found["better"], found["patients"], comparison["first"], comparison["second"],
            found["first"]["mean"], found["second"]["mean"], found["mean_difference"], *found["ci95"],
            found["median_difference"], found["wilcoxon_p"], found["wins"]["first"], found["wins"]["second"],
            found["wins"]["ties"],
        ]
        for key, found in comparison["metrics"].items()
        if found["patients"]
    ]  # fmt: skip


def patient_rows(
    comparison: Mapping[str, Any], records: Sequence[Record], others: Sequence[Record]
) -> list[list[Any]]:
    """Rows of the patients' table, in the order of PATIENT_COLUMNS: where the first loses most comes first."""
    first, second = comparison["first"], comparison["second"]
    names = {"first": first, "second": second, "tie": "tie"}
    worst = {which: {r["patient"] for r in comparison["worst"][which]} for which in ("first", "second")}
    by_patient = {record["patient"]: record for record in others}
    pairs = [(record, by_patient[record["patient"]]) for record in records]
    return [
        [
            a["patient"], a["label_ml"], a["contact"], first, second, a["dice"], b["dice"], a["dice"] - b["dice"],
            names[_winner(a, b)], a["hd95_mm"], b["hd95_mm"], a["outcome"], b["outcome"],
            ", ".join(names[which] for which in worst if a["patient"] in worst[which]),
        ]
        for a, b in sorted(pairs, key=lambda pair: pair[0]["dice"] - pair[1]["dice"])
    ]  # fmt: skip


def _compare(
    pairs: Sequence[tuple[Record, Record]], key: str, better: Better, settings: CohortSettings
) -> dict[str, Any]:
    both = [(a[key], b[key]) for a, b in pairs if a[key] is not None and b[key] is not None]
    result: dict[str, Any] = {"better": better, "patients": len(both)}
    if not both:
        return result
    # Signed errors are compared by size, or opposite errors would cancel out.
    first = [abs(a) if better == "zero" else a for a, _ in both]
    second = [abs(b) if better == "zero" else b for _, b in both]
    losses = [(loss(a, better), loss(b, better)) for a, b in both]
    return result | {
        "first": describe(first, settings.resamples, settings.seed),
        "second": describe(second, settings.resamples, settings.seed),
        **asdict(paired_difference(first, second, settings.resamples, settings.seed)),
        "wins": {
            "first": sum(a < b for a, b in losses),
            "second": sum(b < a for a, b in losses),
            "ties": sum(a == b for a, b in losses),
        },
    }


def _worst(records: Sequence[Record]) -> list[dict[str, Any]]:
    ordered = sorted(records, key=lambda record: (record["dice"], -record["hd95_mm"]))
    return [
        {"patient": r["patient"], "dice": r["dice"], "hd95_mm": r["hd95_mm"], "outcome": r["outcome"]}
        for r in ordered[:WORST]
    ]


def _winner(first: Record, second: Record) -> str:
    if first["dice"] == second["dice"]:
        return "tie"
    return "first" if first["dice"] > second["dice"] else "second"
