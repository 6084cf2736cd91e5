"""Gather the scores of all patients: table, summary with intervals, figures."""

from lunggtv.evaluate.evaluate_settings import CohortSettings
from lunggtv.evaluate.summarise_metrics import summarise_metrics
from lunggtv.job import logged_job
from lunggtv.settings import settings_from
from lunggtv.table_pages import write_table_page

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    summarise_metrics(
        score_paths=list(snakemake.input.scores),
        draft_paths=list(snakemake.input.drafts),
        settings=settings_from(CohortSettings, snakemake.params.config),
        metrics_tsv=snakemake.output.metrics,
        summary_json=snakemake.output.summary,
        volume_svg=snakemake.output.volume,
        distributions_svg=snakemake.output.distributions,
        calibration_svg=snakemake.output.calibration,
    )
    write_table_page(
        table_path=snakemake.output.metrics,
        page_path=snakemake.output.page,
        title="Metrics of every patient, out of fold",
    )
