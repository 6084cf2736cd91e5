"""Put the trained models, their calibration and a self-test into one file."""

from lunggtv.geometry_plan import filled_in
from lunggtv.job import logged_job
from lunggtv.package.package_models import package_models
from lungphantom.body import paint_phantom
from lungphantom.plan import PhantomSettings, plan_cohort

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    (plan,) = plan_cohort(PhantomSettings(labelled=1, unlabelled=0))
    phantom = paint_phantom(plan)
    settings = snakemake.params.config["settings"]
    package_models(
        list(zip(snakemake.input.weights, snakemake.input.cards, strict=True)),
        snakemake.input.calibration,
        (phantom.ct, phantom.label, phantom.grid),
        settings | {"cache": filled_in(settings["cache"], snakemake.input.plan)},
        snakemake.output[0],
        threads=snakemake.threads,
    )
