"""Write down what a fold learns from and how."""

from lunggtv.job import logged_job
from lunggtv.train.plan_fold import plan_fold

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    plan_fold(
        fold=int(snakemake.wildcards.fold),
        patients=snakemake.params.patients,
        config=snakemake.params.config,
        identity=snakemake.params.identity,
        plan=snakemake.output[0],
    )
