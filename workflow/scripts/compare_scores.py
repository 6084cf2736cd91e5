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
        comparison_tsv=snakemake.output.table,
        patients_tsv=snakemake.output.patients,
        comparison_json=snakemake.output.record,
        comparison_svg=snakemake.output.figure,
    )
    title = f"LungGTV and {snakemake.wildcards.other}"
    write_table_page(
        table_path=snakemake.output.table, page_path=snakemake.output.page, title=f"{title}: every metric"
    )
    write_table_page(
        table_path=snakemake.output.patients,
        page_path=snakemake.output.patients_page,
        title=f"{title}: every patient",
    )
