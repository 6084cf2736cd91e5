"""Score a fold's snapshots on the patients it never saw."""

from pathlib import Path

from lunggtv.job import logged_job
from lunggtv.train.validate_fold import HeldOut, validate_fold

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    files = snakemake.input
    pairs = zip(files.held_out_caches, files.held_out_volumes, strict=True)
    validate_fold(
        fold=int(snakemake.wildcards.fold),
        weights=files.weights,
        card=files.card,
        snapshots=files.snapshots,
        held_out={Path(cache).parent.name: HeldOut(cache, volume) for cache, volume in pairs},
        validation=snakemake.output.validation,
        model=snakemake.output.model,
        device="auto" if snakemake.resources.gpu else "cpu",
        threads=snakemake.threads,
    )
