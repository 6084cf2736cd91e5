"""Draw the draft of a patient who has no label."""

from lunggtv.evaluate.picture_draft import picture_draft
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    picture_draft(
        snakemake.input.volume,
        snakemake.input.mask,
        snakemake.input.record,
        snakemake.output[0],
    )
