"""Gather all crops in one table, suspicious ones first."""

from lunggtv.cache.collect_crops import collect_crops
from lunggtv.cache.plan_geometry import plan_remark
from lunggtv.job import logged_job
from lunggtv.table_pages import write_table_page

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    remark = None
    if snakemake.params.planned:
        remark = plan_remark(snakemake.input.plan[0], snakemake.input.verdicts[0], snakemake.params.planned)
    collect_crops(list(snakemake.input.crops), snakemake.output.table, remark)
    write_table_page(
        table_path=snakemake.output.table,
        page_path=snakemake.output.page,
        title=". ".join(filter(None, ["Lung crops, suspicious ones first", remark])),
    )
