"""Write what the models say about one patient."""

from lunggtv.infer.predict_patient import predict_patient
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    predict_patient(
        snakemake.input.volume,
        list(zip(snakemake.input.weights, snakemake.input.cards, strict=True)),
        snakemake.params.config["mirror"],
        snakemake.output[0],
        device="auto" if snakemake.resources.gpu else "cpu",
        threads=snakemake.threads,
    )
