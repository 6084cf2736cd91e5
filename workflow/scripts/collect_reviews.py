"""Order all drafts, those most in need of a look first."""

from lunggtv.infer.collect_reviews import collect_reviews
from lunggtv.job import logged_job
from lunggtv.table_pages import write_table_page

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    collect_reviews(list(snakemake.input), snakemake.output.table)
    write_table_page(
        table_path=snakemake.output.table,
        page_path=snakemake.output.page,
        title="Review queue, most urgent first",
    )
