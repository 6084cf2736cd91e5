"""Draw the curves of a fold's training."""

from lunggtv.job import logged_job
from lunggtv.report.picture_curves import picture_curves

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    picture_curves(
        fold=int(snakemake.wildcards.fold),
        history=snakemake.input.history,
        validation=snakemake.input.validation,
        picture=snakemake.output[0],
    )
