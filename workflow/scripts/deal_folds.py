"""Write down which fold holds out which patient."""

from lunggtv.job import logged_job
from lunggtv.storage import write_tsv

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    write_tsv(snakemake.output[0], ("patient", "fold"), snakemake.params.config["folds"])
