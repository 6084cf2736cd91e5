"""Make the synthetic cohort that the settings ask for."""

from pathlib import Path

from lunggtv.job import logged_job
from lunggtv.settings import settings_from
from lungphantom.make_phantom import make_phantom
from lungphantom.plan import PhantomSettings

with logged_job(snakemake.log[0]):
    make_phantom(
        settings_from(PhantomSettings, snakemake.params.config),
        Path(snakemake.output[0]).parts[0],
        workers=snakemake.threads,
    )
