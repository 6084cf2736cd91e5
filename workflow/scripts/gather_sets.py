"""Put all named sets of drafts side by side with ours: means and spread."""

from pathlib import Path

from lunggtv.evaluate.gather_sets import gather_sets
from lunggtv.job import logged_job
from lunggtv.table_pages import write_table_page

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    theirs = {
        name: [path for path in snakemake.input.theirs if Path(path).parent.name == name]
        for name in snakemake.params.names
    }
    gather_sets("LungGTV", list(snakemake.input.ours), theirs, snakemake.output.table)
    write_table_page(
        table_path=snakemake.output.table,
        page_path=snakemake.output.page,
        title="Means of all sets, and their spread",
    )
