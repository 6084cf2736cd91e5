# Shared by all rules: the checked settings, the cohort, and what goes into a rule's params.

import re

from lunggtv.cohort import find_cohort
from lunggtv.config import check_config, plain
from lunggtv.errors import LungGtvError
from lunggtv.evaluate.other_masks import mask_file
from lunggtv.provenance import code_fingerprint
from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.basedir) / "workflow"

try:
    check_config(config, WORKFLOW / "schemas" / "config.schema.yaml")
    COHORT = find_cohort(config)
except LungGtvError as error:
    raise WorkflowError(str(error)) from None

PATIENTS = list(COHORT.patients)
COHORT_TABLES = [
    "results/ingest/verdicts.tsv",
    "results/ingest/admitted.txt",
    "results/cache/crops.tsv",
]


wildcard_constraints:
    patient="|".join(map(re.escape, PATIENTS)) or "[^/]+",
    fold=r"\d+",
    other="|".join(map(re.escape, config["evaluate"]["compare"])) or "[^/]+",


def section(stage, *keys):
    """The settings that a rule reads, all of a stage's or some, as plain values in a fixed order."""
    return plain({key: config[stage][key] for key in keys or config[stage]})


def code_of(*scripts):
    """Fingerprint of the code behind a rule: its script and all of the package that it imports."""
    found = {}
    for script in scripts:
        found |= code_fingerprint(WORKFLOW / "scripts" / f"{script}.py", WORKFLOW)
    return dict(sorted(found.items()))


def grows(mem_mb):
    """Memory that doubles with every retry, so that a job killed for memory ends in the end."""
    return lambda wildcards, attempt: mem_mb * 2 ** (attempt - 1)
