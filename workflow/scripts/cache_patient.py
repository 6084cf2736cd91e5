"""Crop one patient to the lungs' box and resample it into a cache."""

from lunggtv.cache.cache_patient import cache_patient
from lunggtv.cache.cache_settings import CacheSettings
from lunggtv.geometry_plan import filled_in
from lunggtv.job import logged_job
from lunggtv.settings import settings_from

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    cache_patient(
        snakemake.input.volume,
        settings_from(CacheSettings, filled_in(snakemake.params.config, snakemake.input.plan)),
        cache_path=snakemake.output.volume,
        crop_json_path=snakemake.output.crop,
        lungs_path=snakemake.input.lungs or None,
    )
