"""Draw one patient's draft beside the original label."""

from lunggtv.evaluate.picture_patient import picture_patient
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    picture_patient(
        volume=snakemake.input.volume,
        mask=snakemake.input.mask,
        record=snakemake.input.scores,
        picture=snakemake.output[0],
    )
