"""Check a model package and unpack it, then see that it predicts here what it predicted where it was made."""

from pathlib import Path

from lunggtv.job import logged_job
from lunggtv.package.unpack_models import unpack_models

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    unpack_models(
        package_path=snakemake.input[0],
        folder=Path(snakemake.output.calibration).parent,
        selftest_path=snakemake.output.selftest,
        device="auto" if snakemake.resources.gpu else "cpu",
        threads=snakemake.threads,
    )
