"""Draw patches of a fold as the network saw them."""

from pathlib import Path

from lunggtv.job import logged_job
from lunggtv.settings import settings_from
from lunggtv.train.picture_samples import picture_samples
from lunggtv.train.train_settings import TrainSettings

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    picture_samples(
        fold=int(snakemake.wildcards.fold),
        caches={Path(cache).parent.name: cache for cache in snakemake.input.caches},
        card=snakemake.input.card,
        settings=settings_from(TrainSettings, snakemake.params.config),
        picture=snakemake.output[0],
    )
