"""Score one draft against the patient's original label."""

from lunggtv.evaluate.evaluate_patient import evaluate_patient
from lunggtv.evaluate.evaluate_settings import EvaluateSettings
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    evaluate_patient(
        snakemake.input.volume,
        snakemake.input.prediction,
        snakemake.params.fold["fold"],
        EvaluateSettings.from_config(snakemake.params.config),
        snakemake.output[0],
    )
