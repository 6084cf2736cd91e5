"""Draw the draft of a patient who has no label."""

from lunggtv.evaluate.picture_draft import picture_draft
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    picture_draft(
        volume=snakemake.input.volume,
        mask=snakemake.input.mask,
        record=snakemake.input.record,
        picture=snakemake.output[0],
    )
