"""Files in, files out: the cohort's table, summary and figures, and the comparison with other tools."""

from pathlib import Path

from lunggtv.evaluate.cohort_figures import draw_calibration, draw_dice_by_volume, draw_distributions
from lunggtv.evaluate.columns import table_columns
from lunggtv.evaluate.evaluate_settings import CohortSettings
from lunggtv.evaluate.score_records import Paths, cell, read_records
from lunggtv.evaluate.summary import summarise_records, summarise_review
from lunggtv.figures import save_svg
from lunggtv.files import read_json, write_json
from lunggtv.tables import write_tsv


def summarise_metrics(
    *,
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
    records = read_records(score_paths)
    drafts = [read_json(path) for path in draft_paths]
    summary = summarise_records(records, settings) | {"review": summarise_review(records, drafts)}
    columns = table_columns(records)
    write_tsv(metrics_tsv, columns, [[cell(record[name]) for name in columns] for record in records])
    write_json(summary_json, summary)
    save_svg(draw_dice_by_volume(records), volume_svg)
    save_svg(draw_distributions(records), distributions_svg)
    save_svg(draw_calibration(records, drafts), calibration_svg)
