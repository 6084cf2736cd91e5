"""Order all drafts, those most in need of a look first."""

from lunggtv.infer.run_review import collect_reviews
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    collect_reviews(list(snakemake.input), snakemake.output[0])
