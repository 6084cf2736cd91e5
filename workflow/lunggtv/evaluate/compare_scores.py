"""Two sets of scores of the same patients, pair by pair."""

from pathlib import Path

from lunggtv.evaluate.cohort_figures import draw_comparison
from lunggtv.evaluate.comparison import (
    COMPARISON_COLUMNS,
    PATIENT_COLUMNS,
    compare_records,
    comparison_rows,
    patient_rows,
)
from lunggtv.evaluate.evaluate_settings import CohortSettings
from lunggtv.evaluate.score_records import Paths, cell, read_records
from lunggtv.figures import save_svg
from lunggtv.files import write_json
from lunggtv.tables import write_tsv


def compare_scores(
    name: str,
    score_paths: Paths,
    other_name: str,
    other_score_paths: Paths,
    settings: CohortSettings,
    *,
    comparison_tsv: str | Path,
    patients_tsv: str | Path,
    comparison_json: str | Path,
    comparison_svg: str | Path,
) -> None:
    """Compare two sets of scores of the same patients, pair by pair.

    Raises:
        CohortError: the sets hold different patients.
    """
    records, others = read_records(score_paths), read_records(other_score_paths)
    comparison = compare_records(name, records, other_name, others, settings)
    write_tsv(comparison_tsv, COMPARISON_COLUMNS, [list(map(cell, r)) for r in comparison_rows(comparison)])
    rows = patient_rows(comparison, records, others)
    write_tsv(patients_tsv, PATIENT_COLUMNS, [list(map(cell, row)) for row in rows])
    write_json(comparison_json, comparison)
    save_svg(draw_comparison(name, records, other_name, others), comparison_svg)
