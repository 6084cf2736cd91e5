"""Gather all crops in one table, suspicious ones first."""

from lunggtv.cache.run import collect_crops
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    collect_crops(list(snakemake.input), snakemake.output[0])
