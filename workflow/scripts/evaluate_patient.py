"""Score one draft against the patient's original label."""

from lunggtv.evaluate.evaluate_patient import evaluate_patient
from lunggtv.evaluate.evaluate_settings import EvaluateSettings
from lunggtv.job import logged_job
from lunggtv.settings import settings_from

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    evaluate_patient(
        volume_path=snakemake.input.volume,
        prediction_path=snakemake.input.prediction,
        fold=snakemake.params.fold["fold"],
        settings=settings_from(EvaluateSettings, snakemake.params.config),
        json_path=snakemake.output[0],
    )
