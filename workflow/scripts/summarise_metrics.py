"""Gather the scores of all patients: table, summary with intervals, figures."""

from lunggtv.evaluate.evaluate_settings import CohortSettings
from lunggtv.evaluate.summarise_metrics import summarise_metrics
from lunggtv.job import logged_job
from lunggtv.settings import settings_from
from lunggtv.table_pages import write_table_page

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    summarise_metrics(
        list(snakemake.input.scores),
        list(snakemake.input.drafts),
        settings_from(CohortSettings, snakemake.params.config),
        snakemake.output.metrics,
        snakemake.output.summary,
        snakemake.output.volume,
        snakemake.output.distributions,
        snakemake.output.calibration,
    )
    write_table_page(snakemake.output.metrics, snakemake.output.page, "Metrics of every patient, out of fold")
