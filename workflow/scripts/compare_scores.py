"""Compare our scores with those of another tool's masks, patient by patient."""

from lunggtv.evaluate.run_cohort import compare
from lunggtv.evaluate.settings import CohortSettings
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    compare(
        "LungGTV",
        list(snakemake.input.ours),
        snakemake.wildcards.other,
        list(snakemake.input.theirs),
        CohortSettings.from_config(snakemake.params.config),
        snakemake.output.table,
        snakemake.output.record,
        snakemake.output.figure,
    )
