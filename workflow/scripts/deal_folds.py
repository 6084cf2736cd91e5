"""Write down which fold holds out which patient."""

from lunggtv.cohort.deal_folds import deal_folds
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    deal_folds(snakemake.params.config["folds"], snakemake.output[0])
