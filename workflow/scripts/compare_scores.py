"""Compare our scores with those of another tool's masks, patient by patient."""

from lunggtv.evaluate.compare_scores import compare_scores
from lunggtv.evaluate.evaluate_settings import CohortSettings
from lunggtv.job import logged_job
from lunggtv.settings import settings_from
from lunggtv.table_pages import write_table_page

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    compare_scores(
        "LungGTV",
        list(snakemake.input.ours),
        snakemake.wildcards.other,
        list(snakemake.input.theirs),
        settings_from(CohortSettings, snakemake.params.config),
        snakemake.output.table,
        snakemake.output.patients,
        snakemake.output.record,
        snakemake.output.figure,
    )
    title = f"LungGTV and {snakemake.wildcards.other}"
    write_table_page(snakemake.output.table, snakemake.output.page, f"{title}: every metric")
    write_table_page(snakemake.output.patients, snakemake.output.patients_page, f"{title}: every patient")
