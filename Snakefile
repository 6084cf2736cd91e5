"""LungGTV: from raw patient folders to lung GTV models, drafts and an evaluation. See README.md."""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.11")
# Makes the package importable here, in the rule files and (inherited) in every script job.
sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))


# Shipped settings first; a config.yaml of the working directory, then --configfile, override them.
configfile: Path(workflow.basedir) / "config.yaml"


if Path("config.yaml").is_file():

    configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/labels.smk"
include: "workflow/rules/phantom.smk"
include: "workflow/rules/ingest.smk"
include: "workflow/rules/cache.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/infer.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        # Ends only: a volume that everybody has already read need not be there.
        COHORT_TABLES,
        TRAIN_RESULTS,
        INFER_RESULTS,
        EVALUATE_RESULTS,
    localrule: True
