"""Gather what the jobs cost, from the benchmark files of the run."""

from lunggtv.job import logged_job
from lunggtv.report.collect_timings import collect_timings
from lunggtv.table_pages import write_table_page

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    collect_timings(snakemake.params.folder, snakemake.output.table)
    write_table_page(
        table_path=snakemake.output.table, page_path=snakemake.output.page, title="What the jobs cost"
    )
