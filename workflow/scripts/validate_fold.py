"""Score a fold's snapshots on the patients it never saw, and draw its curves."""

from pathlib import Path

from lunggtv.job import logged_job
from lunggtv.settings import settings_from
from lunggtv.train.train_settings import TrainSettings
from lunggtv.train.validate_fold import HeldOut, validate_fold

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    files = snakemake.input
    pairs = zip(files.held_out_caches, files.held_out_volumes, strict=True)
    validate_fold(
        fold=int(snakemake.wildcards.fold),
        weights=files.weights,
        model=files.card,
        snapshots=files.snapshots,
        history=files.history,
        held_out={Path(cache).parent.name: HeldOut(cache, volume) for cache, volume in pairs},
        caches={Path(cache).parent.name: cache for cache in files.caches},
        settings=settings_from(TrainSettings, snakemake.params.config),
        device="auto" if snakemake.resources.gpu else "cpu",
        threads=snakemake.threads,
        described=snakemake.output.model,
        validation=snakemake.output.validation,
        curves=snakemake.output.curves,
        augmentation=snakemake.output.augmentation,
    )
