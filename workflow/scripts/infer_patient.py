"""Draw one patient's GTV on the grid of the original CT."""

from lunggtv.infer.infer_patient import infer_patient
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    infer_patient(
        prediction_path=snakemake.input.prediction,
        calibration_path=snakemake.input.calibration,
        fold=snakemake.params.fold["fold"],
        review_dice=snakemake.params.config["review_dice"],
        mask_path=snakemake.output.mask,
        json_path=snakemake.output.record,
        probability_path=snakemake.output.get("probability"),
    )
