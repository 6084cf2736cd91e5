"""Crop one patient to the lungs' box and resample it into a cache."""

from lunggtv.cache.cache_patient import cache_patient
from lunggtv.cache.cache_settings import CacheSettings
from lunggtv.job import logged_job
from lunggtv.settings import settings_from

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    cache_patient(
        snakemake.input.volume,
        settings_from(CacheSettings, snakemake.params.config),
        snakemake.output.volume,
        snakemake.output.crop,
        snakemake.input.lungs or None,
    )
