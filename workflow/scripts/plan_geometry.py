"""Plan the spacing of the caches and the patch of training for the cohort."""

from lunggtv.cache.plan_geometry import plan_geometry
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    plan_geometry(
        snakemake.input[0],
        snakemake.params.config["spacing_mm"],
        snakemake.params.planned,
        snakemake.output[0],
    )
