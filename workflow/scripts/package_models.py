"""Put the trained models, their calibration and a self-test into one file."""

from lunggtv.infer.run_package import package_models
from lunggtv.job import logged_job
from lunggtv.phantom.anatomy import make_phantom
from lunggtv.phantom.plan import PhantomSettings, plan_cohort

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    (plan,) = plan_cohort(PhantomSettings(labelled=1, unlabelled=0))
    phantom = make_phantom(plan)
    package_models(
        list(zip(snakemake.input.weights, snakemake.input.cards, strict=True)),
        snakemake.input.calibration,
        (phantom.ct, phantom.label, phantom.grid),
        snakemake.params.config["settings"],
        snakemake.output[0],
        threads=snakemake.threads,
    )
