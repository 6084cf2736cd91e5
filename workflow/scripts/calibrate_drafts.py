"""Choose threshold and smallest lesion, and learn the expected Dice, from out-of-fold predictions."""

from lunggtv.infer.calibrate_drafts import LabelledFiles, calibrate_drafts
from lunggtv.infer.infer_settings import DrawingSettings
from lunggtv.job import logged_job
from lunggtv.settings import settings_from

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    files = zip(
        snakemake.params.folds["folds"], snakemake.input.predictions, snakemake.input.volumes, strict=True
    )
    calibrate_drafts(
        {
            patient: LabelledFiles(fold=fold, prediction=prediction, cache=cache)
            for (patient, fold), prediction, cache in files
        },
        settings_from(DrawingSettings, snakemake.params.config),
        snakemake.output[0],
    )
