"""Gather the scores of all patients: table, summary with intervals, figures."""

from lunggtv.evaluate.run_cohort import summarise
from lunggtv.evaluate.settings import CohortSettings
from lunggtv.job import logged_job
from lunggtv.table_page import write_table_page

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    summarise(
        list(snakemake.input.scores),
        list(snakemake.input.drafts),
        CohortSettings.from_config(snakemake.params.config),
        snakemake.output.metrics,
        snakemake.output.summary,
        snakemake.output.volume,
        snakemake.output.distributions,
        snakemake.output.calibration,
    )
    write_table_page(snakemake.output.metrics, snakemake.output.page, "Metrics of every patient, out of fold")
