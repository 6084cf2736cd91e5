"""Gather all verdicts in one table, with what only the cohort as a whole shows."""

from lunggtv.ingest.cohort import collect_verdicts
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    collect_verdicts(list(snakemake.input), snakemake.params.config["exclude"], snakemake.output[0])
