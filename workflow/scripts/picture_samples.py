"""Draw patches of a fold as the network saw them."""

from lunggtv.job import logged_job
from lunggtv.train.picture_samples import picture_samples

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    picture_samples(samples=snakemake.input.samples, card=snakemake.input.card, picture=snakemake.output[0])
