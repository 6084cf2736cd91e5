"""Stop with one message for every rejected patient, or list the admitted ones."""

from lunggtv.ingest.admit_cohort import admit_cohort
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    admit_cohort(table_path=snakemake.input[0], admitted_path=snakemake.output[0])
