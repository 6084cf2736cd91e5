"""Gather all verdicts in one table, with what only the cohort as a whole shows."""

from lunggtv.cohort.discover_words import passed_over
from lunggtv.ingest.collect_verdicts import collect_verdicts
from lunggtv.job import logged_job
from lunggtv.table_pages import write_table_page

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    config = snakemake.params.config
    ignored = passed_over(config["ignored"])
    collect_verdicts(list(snakemake.input), config["exclude"], snakemake.output.table, ignored)
    write_table_page(
        table_path=snakemake.output.table,
        page_path=snakemake.output.page,
        title=". ".join(filter(None, ["Verdict on every patient", ignored])),
    )
