"""Gather all verdicts in one table, with what only the cohort as a whole shows."""

from lunggtv.ingest.collect_verdicts import collect_verdicts
from lunggtv.job import logged_job
from lunggtv.table_pages import write_table_page

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    collect_verdicts(list(snakemake.input), snakemake.params.config["exclude"], snakemake.output.table)
    write_table_page(
        table_path=snakemake.output.table, page_path=snakemake.output.page, title="Verdict on every patient"
    )
