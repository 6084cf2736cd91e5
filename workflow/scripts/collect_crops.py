"""Gather all crops in one table, suspicious ones first."""

from lunggtv.cache.collect_crops import collect_crops
from lunggtv.job import logged_job
from lunggtv.table_pages import write_table_page

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    collect_crops(list(snakemake.input), snakemake.output.table)
    write_table_page(
        table_path=snakemake.output.table,
        page_path=snakemake.output.page,
        title="Lung crops, suspicious ones first",
    )
