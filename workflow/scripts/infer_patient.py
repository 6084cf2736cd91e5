"""Draw one patient's GTV on the grid of the original CT."""

from lunggtv.infer.infer_patient import infer_patient
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    infer_patient(
        snakemake.input.prediction,
        snakemake.input.calibration,
        snakemake.params.fold["fold"],
        snakemake.params.config["review_dice"],
        snakemake.output.mask,
        snakemake.output.record,
        snakemake.output.get("probability"),
    )
