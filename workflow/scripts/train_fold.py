"""Train the model of one fold on the caches of the others."""

from pathlib import Path

from lunggtv.job import logged_job
from lunggtv.storage import read_tsv
from lunggtv.train.run import FoldFiles, train_fold
from lunggtv.train.settings import TrainSettings

with logged_job(snakemake.log[0]):
    fold = int(snakemake.wildcards.fold)
    folds = {row["patient"]: int(row["fold"]) for row in read_tsv(snakemake.input.folds)}
    train_fold(
        fold=fold,
        caches={Path(cache).parent.name: cache for cache in snakemake.input.caches},
        held_out=[patient for patient, own in folds.items() if own == fold],
        settings=TrainSettings.from_config(snakemake.params.config),
        config=snakemake.params.config,
        code=snakemake.params.code,
        files=FoldFiles(**dict(snakemake.output.items())),
        state_folder=snakemake.params.state,
        device="auto" if snakemake.resources.gpu else "cpu",
        threads=snakemake.threads,
    )
