"""Write the report's first page."""

from lunggtv.files import read_json, write_text
from lunggtv.geometry_plan import filled_in
from lunggtv.job import logged_job
from lunggtv.report.describe_run import describe_run
from lunggtv.tables import read_tsv

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    cards = [read_json(card) for card in snakemake.input.cards]
    page = describe_run(
        read_tsv(snakemake.input.verdicts),
        read_tsv(snakemake.input.reviews),
        read_json(snakemake.input.summary[0]) if snakemake.input.summary else None,
        comparisons=[read_json(path) for path in snakemake.input.comparisons],
        spacing_mm=filled_in(snakemake.params.config, snakemake.input.plan)["spacing_mm"],
        planned=bool(snakemake.input.plan),
        versions=cards[0]["versions"],
        weights={str(card["fold"]): card["weights_sha256"] for card in cards},
        quality=read_json(snakemake.input.calibration)["quality"],
    )
    write_text(snakemake.output[0], page)
