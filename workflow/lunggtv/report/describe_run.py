"""The report's first page in plain words: who took part, what came out, failures first. reStructuredText."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lunggtv.failed_dice import FAILED_DICE
from lunggtv.spacing import numbers_of, propose_spacing, proposing
from lunggtv.wording import by, interval95

# What a physicist asks for first: key of the summary, name, digits, unit.
HEADLINES = (
    ("dice", "Dice", 2, ""),
    ("surface_dice_2mm", "Surface Dice at 2 mm", 2, ""),
    ("surface_dice_5mm", "Surface Dice at 5 mm", 2, ""),
    ("hd95_mm", "HD95", 1, " mm"),
    ("volume_error_percent", "Volume error", 0, " %"),
    ("added_path_length_mm", "Added path length", 0, " mm"),
)


def describe_run(
    verdicts: Sequence[Mapping[str, str]],
    reviews: Sequence[Mapping[str, str]],
    summary: Mapping[str, Any] | None,
    comparisons: Sequence[Mapping[str, Any]],
    spacing_mm: Sequence[float | None],
    versions: Mapping[str, str],
    weights: Mapping[str, str],
    quality: Mapping[str, Any] | None = None,
    planned: bool = False,
) -> str:
    """The page's text.

    Args:
        verdicts: rows of verdicts.tsv.
        reviews: rows of review.tsv, most urgent first.
        summary: content of summary.json; None where nobody is labelled.
        comparisons: contents of comparison.json.
        spacing_mm: cache.spacing_mm, z, y, x; None keeps the patients' own.
        versions: library -> version.
        weights: fold -> SHA-256 of its weights.
        quality: how well expected Dice met the Dice found, from calibration.json; None if nothing is known.
        planned: whether the spacing is the plan's.
    """
    parts = [_cohort(verdicts, {row["patient"] for row in reviews})]
    if summary is not None:
        parts += [_failures(summary), _headlines(summary), _strata(summary)]
    parts += map(_comparison, comparisons)
    parts += [
        _queue(reviews),
        _trust(quality),
        READING,
        _spacing(verdicts, spacing_mm, planned),
        _provenance(versions, weights),
    ]
    return "\n\n".join(parts) + "\n"


READING = (
    "*Review queue* says who needs a look first, *Patients* shows draft beside label, *Statistics* the cohort; *Data "
    "verdicts*, *Lung crops* and *Training* show how it came about. Each draft is a proposal: a physician reviews it. "
    "This page holds pictures of patients and is to be kept like patient data."
)


def _cohort(verdicts: Sequence[Mapping[str, str]], drafted: Collection[str]) -> str:
    count = Counter(row["verdict"] for row in verdicts)
    sets = Counter(row["set"] for row in verdicts if row["verdict"] != "excluded")
    text = (
        f"**{_patients(len(verdicts))}**: {sets['labelled']} with a physician's GTV, {sets['unlabelled']} without, "
        f"{count['excluded']} excluded by the user, {count['warned']} with warnings. Each patient with a GTV was "
        "drafted by a model that never saw that patient, and scored on the original CT grid."
    )
    excluded = [row for row in verdicts if row["verdict"] == "excluded"]
    lines = [f"- {_escaped(row['patient'])} is excluded: {_escaped(row['reasons'])}" for row in excluded]
    left = [row for row in verdicts if row["verdict"] != "excluded" and row["patient"] not in drafted]
    lines += [
        f"- {_escaped(row['patient'])} has no draft and no score: the fold that holds this patient out is not among "
        "train.run\\_folds."
        for row in left
    ]
    return "\n".join([text, *([""] if lines else []), *lines])


def _failures(summary: Mapping[str, Any]) -> str:
    outcomes, lesions = summary["outcomes"], summary["lesions"]
    failures = ", ".join(map(_escaped, summary["failures"])) or "none"
    return (
        f"**Failures: {len(summary['failures'])} of {summary['patients']}** (Dice below {FAILED_DICE:g}, or nothing in "
        f"common): patients {failures}. {outcomes['missed']} with nothing drawn, {outcomes['false_alarm']} false "
        f"alarms. Of {lesions['label']} separate lesions {lesions['missed']} were missed; drawn where there is none: "
        f"{lesions['false']}."
    )


def _headlines(summary: Mapping[str, Any]) -> str:
    rows = [("", "mean", "95 % interval", "median")]
    for key, name, digits, unit in HEADLINES:
        found = summary["metrics"].get(key)
        if found is not None and found["mean"] is not None:
            low, high = (_number(value, digits) for value in found["ci95"])
            mean, median = (_number(found[which], digits) + unit for which in ("mean", "median"))
            rows.append((name, mean, f"{low} to {high}", median))
    band = summary["human_band"]["dice"]
    after = (
        f"Failures count in every number. Physicians among themselves reach a Dice of {band['low']:.2f} to "
        f"{band['high']:.2f} (mean {band['mean']:.2f}; {_escaped(summary['human_band']['source'])}). Intervals are "
        f"bootstrapped over {_patients(summary['patients'])}; with few patients they are wide."
    )
    return f"{_table(rows)}\n\n{after}"


def _strata(summary: Mapping[str, Any]) -> str:
    rows = [("Tumours", "patients", "failures", "mean Dice", "95 % interval")]
    for stratum in (*summary["strata"]["volume"], *summary["strata"]["contact"]):
        dice = stratum["metrics"]["dice"]
        if stratum["patients"]:
            interval = " to ".join(_number(value, 2) for value in dice["ci95"])
            counts = (str(stratum["patients"]), str(stratum["failures"]))
            rows.append((stratum["name"], *counts, _number(dice["mean"], 2), interval))
    return _table(rows)


def _comparison(comparison: Mapping[str, Any]) -> str:
    dice = comparison["metrics"]["dice"]
    failures = comparison["failures"]
    return (
        f"**Against {_escaped(comparison['second'])}**, on the same {_patients(dice['patients'])}: mean Dice "
        f"{dice['first']['mean']:.2f} against {dice['second']['mean']:.2f}, difference {dice['mean_difference']:+.2f} "
        f"({interval95(dice['ci95'], '+.2f')}); better in {dice['wins']['first']}, worse in "
        f"{dice['wins']['second']}; failures {len(failures['first'])} against {len(failures['second'])}."
    )


def _spacing(verdicts: Sequence[Mapping[str, str]], spacing_mm: Sequence[float | None], planned: bool) -> str:
    used = by("own" if step is None else f"{step:g}" for step in spacing_mm)
    source = "results/plan.json" if planned else "cache.spacing_mm"
    text = f"Models see voxels of {used} mm (z, y, x; ``{source}``)"
    found = [numbers_of(row["spacing_mm"]) for row in proposing(verdicts)]
    if not found:
        return f"{text}."
    proposed = by(propose_spacing(found), "g")
    return f"{text}; the median of the accepted scans, which they propose, is {proposed} mm."


def _queue(reviews: Sequence[Mapping[str, str]]) -> str:
    flagged = [row for row in reviews if row["review"]]
    text = f"**Review queue: {len(flagged)} of {len(reviews)} drafts** have a reason to be looked at first"
    empty = ", ".join(_escaped(row["patient"]) for row in reviews if row["lesions"] == "0")
    if empty:
        text = f"**No GTV found** in patients {empty}: look at their whole scans.\n\n{text}"
    if not flagged:
        return f"{text}."
    first = [f"- {_escaped(row['patient'])}: {_escaped(row['review'])}" for row in flagged[:5]]
    return "\n".join([f"{text}; the most urgent:", "", *first])


def _trust(quality: Mapping[str, Any] | None) -> str:
    """How far the expected Dice can be trusted."""
    if quality is None:
        return (
            "The drafts carry no estimate of their own quality: too few labelled patients to learn it from."
        )
    text = (
        f"The expected Dice missed the Dice found by {quality['mean_absolute_error']:.2f} on average "
        f"({interval95(quality['mean_absolute_error_ci95'])}; {_patients(quality['patients'])} with a label, each "
        "judged without its own fold)."
    )
    failed = f"{quality['failed']} of them failed (Dice below {FAILED_DICE:g})"
    if quality["auroc"] is None:
        return f"{text} {failed}, so nothing is known about how well it tells failures from the rest."
    interval = "too few of them for an interval"
    if quality["auroc_ci95"] is not None:
        interval = interval95(quality["auroc_ci95"])
    return (
        f"{text} {failed}; it tells them from the rest with an AUROC of {quality['auroc']:.2f} ({interval})."
    )


def _provenance(versions: Mapping[str, str], weights: Mapping[str, str]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    models = ", ".join(f"fold {fold} ``{digest[:12]}``" for fold, digest in weights.items())
    return f"Made with {libraries}. Models (first digits of their SHA-256): {models or 'none'}."


def _table(rows: Sequence[Sequence[str]]) -> str:
    """A simple table of reStructuredText; the first row is the header."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rule = "  ".join("=" * max(width, 1) for width in widths)
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    # An empty first cell would read as a continued row; a backslash keeps it empty.
    lines[0] = "\\" + lines[0][1:] if lines[0].startswith(" ") else lines[0]
    return "\n".join([rule, lines[0].rstrip(), rule, *(line.rstrip() for line in lines[1:]), rule])


def _patients(count: int) -> str:
    return f"{count} patient" if count == 1 else f"{count} patients"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}"


def _escaped(text: str) -> str:
    """Text that neither reStructuredText nor the report's templates read as a command."""
    for sign in "\\*`_|":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("{", "(").replace("}", ")")
