"""Draw what was cropped from one patient's scan."""

from lunggtv.cache.picture_crop import picture_crop
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    picture_crop(
        volume=snakemake.input.volume,
        cache=snakemake.input.cache,
        record=snakemake.input.crop,
        picture=snakemake.output[0],
    )
