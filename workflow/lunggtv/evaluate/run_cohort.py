"""Files in, files out: the cohort's table, summary and figures, and the comparison with other tools."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lunggtv.evaluate.columns import table_columns
from lunggtv.evaluate.compare import (
    COMPARISON_COLUMNS,
    PATIENT_COLUMNS,
    compare_records,
    comparison_rows,
    patient_rows,
)
from lunggtv.evaluate.figures import (
    draw_calibration,
    draw_comparison,
    draw_dice_by_volume,
    draw_distributions,
)
from lunggtv.evaluate.settings import CohortSettings
from lunggtv.evaluate.spread import spread_columns, spread_rows
from lunggtv.evaluate.summary import summarise_records, summarise_review
from lunggtv.figure_files import save_svg
from lunggtv.folds import natural_key
from lunggtv.storage import read_json, write_json, write_tsv

Paths = Sequence[str | Path]


def summarise(
    score_paths: Paths,
    draft_paths: Paths,
    settings: CohortSettings,
    metrics_tsv: str | Path,
    summary_json: str | Path,
    volume_svg: str | Path,
    distributions_svg: str | Path,
    calibration_svg: str | Path,
) -> None:
    """Gather the patients' scores in metrics.tsv, summary.json and three figures.

    Args:
        score_paths: evaluate/{patient}.json of all patients.
        draft_paths: infer.json of the same patients; may be empty for predictions of another origin.
    """
    records = _read_records(score_paths)
    drafts = [read_json(path) for path in draft_paths]
    summary = summarise_records(records, settings) | {"review": summarise_review(records, drafts)}
    columns = table_columns(records)
    write_tsv(metrics_tsv, columns, [[_cell(record[name]) for name in columns] for record in records])
    write_json(summary_json, summary)
    save_svg(draw_dice_by_volume(records), volume_svg)
    save_svg(draw_distributions(records), distributions_svg)
    save_svg(draw_calibration(records, drafts), calibration_svg)


def compare(
    name: str,
    score_paths: Paths,
    other_name: str,
    other_score_paths: Paths,
    settings: CohortSettings,
    comparison_tsv: str | Path,
    patients_tsv: str | Path,
    comparison_json: str | Path,
    comparison_svg: str | Path,
) -> None:
    """Compare two sets of scores of the same patients, pair by pair.

    Raises:
        CohortError: the sets hold different patients.
    """
    records, others = _read_records(score_paths), _read_records(other_score_paths)
    comparison = compare_records(name, records, other_name, others, settings)
    write_tsv(comparison_tsv, COMPARISON_COLUMNS, [list(map(_cell, r)) for r in comparison_rows(comparison)])
    rows = patient_rows(comparison, records, others)
    write_tsv(patients_tsv, PATIENT_COLUMNS, [list(map(_cell, row)) for row in rows])
    write_json(comparison_json, comparison)
    save_svg(draw_comparison(name, records, other_name, others), comparison_svg)


def gather_sets(
    name: str, score_paths: Paths, other_score_paths: Mapping[str, Paths], table_tsv: str | Path
) -> None:
    """Write the means and the spread of several sets of scores of the same patients."""
    sets = {name: score_paths} | other_score_paths
    records = {set_name: _read_records(paths) for set_name, paths in sets.items()}
    rows = [list(map(_cell, row)) for row in spread_rows(records)]
    write_tsv(table_tsv, spread_columns(list(sets)), rows)


def _read_records(paths: Paths) -> list[Mapping[str, Any]]:
    records = [read_json(path) for path in paths]
    return sorted(records, key=lambda record: natural_key(record["patient"]))


def _cell(value: Any) -> Any:
    """Numbers with six digits: a table is for reading, the JSON files hold the rest."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else value
