"""Train the model of one fold on the caches of the others."""

from pathlib import Path

from lunggtv.geometry_plan import filled_in
from lunggtv.job import logged_job
from lunggtv.labelled_patients import labelled_verdicts
from lunggtv.settings import settings_from
from lunggtv.train.deliver import FoldFiles
from lunggtv.train.train_fold import train_fold
from lunggtv.train.train_settings import TrainSettings

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    caches = {Path(cache).parent.name: cache for cache in snakemake.input.caches}
    config = filled_in(snakemake.params.config, snakemake.input.plan)
    train_fold(
        fold=int(snakemake.wildcards.fold),
        caches=caches,
        verdicts=labelled_verdicts(snakemake.params.verdicts, known=caches),
        settings=settings_from(TrainSettings, config),
        config=config,
        identity=snakemake.params.identity,
        files=FoldFiles(
            weights=snakemake.output.weights,
            card=snakemake.output.card,
            history=snakemake.output.history,
            snapshots=snakemake.output.snapshots,
            samples=snakemake.output.samples,
        ),
        state_folder=snakemake.params.state,
        device="auto" if snakemake.resources.gpu else "cpu",
        threads=snakemake.threads,
        cpu_hours=snakemake.resources.cpu_hours,
        start_from=tuple(snakemake.input.start) or None,
    )
