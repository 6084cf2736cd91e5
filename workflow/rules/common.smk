# Shared by all rules: the checked settings, the cohort, and what goes into a rule's params.

import re

from lunggtv.cohort.cohort import find_cohort
from lunggtv.cohort.config import check_config, check_files, plain
from lunggtv.errors import LungGtvError
from lunggtv.evaluate.other_masks import check_places, mask_file
from lunggtv.package.package_file import read_manifest
from lunggtv.report.result_names import crop_labels, draft_labels
from lunggtv.locks import lock_run
from lunggtv.code_identity import code_fingerprint
from lunggtv.tables import read_tsv
from lunggtv.version import VERSION
from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.basedir) / "workflow"

try:
    check_files(workflow.configfiles)
    check_config(config, WORKFLOW / "schemas" / "config.schema.yaml")
    PACKAGE = read_manifest(config["model"]) if config["model"] else None
    if PACKAGE is not None:
        # Its models draft as they learnt: the settings that drafts depend on come with them.
        for stage, settings in PACKAGE["settings"].items():
            config[stage] = {**config[stage], **settings}
        check_config(config, WORKFLOW / "schemas" / "config.schema.yaml")
    check_places(config["evaluate"]["compare"])
    COHORT = find_cohort(config)
except LungGtvError as error:
    raise WorkflowError(str(error)) from None

PATIENTS = list(COHORT.patients)
# Models of a package, or of the folds trained here; and the patients that these draft, and are scored on.
MODELS = list(range(PACKAGE["folds"])) if PACKAGE else COHORT.trained_folds
FOLDS = {} if PACKAGE else COHORT.folds
# Nobody is drafted by a model that has seen them: where a fold is not trained, its patients get no draft.
DRAFTED = [p for p in PATIENTS if MODELS and (p not in FOLDS or FOLDS[p] in MODELS)]
SCORED = [p for p in DRAFTED if COHORT.patients[p].labelled]
# Which folds are trained is no setting of a fold's training.
TRAINING = [key for key in config["train"] if key != "run_folds"]
# What a target needs: its tables, and all that the report shows, so that what was deleted is made again.
COHORT_TABLES = [
    *multiext("results/ingest/verdicts", ".tsv", ".html"),
    "results/ingest/admitted.txt",
    *multiext("results/cache/crops", ".tsv", ".html"),
    *expand("results/cache/{patient}/crop.png", patient=PATIENTS),
]


# A second run in the same folder stops here. The profiles switch off Snakemake's own lock, which outlives a run
# that was killed.
onstart:
    try:
        lock_run()
    except LungGtvError as error:
        raise WorkflowError(str(error)) from None


wildcard_constraints:
    # Not all names joined: Snakemake copies the pattern for every file, which 10,000 patients would feel.
    patient=r"(?!(summary|comparison)\.json)[^/]+",
    fold=r"\d+",
    other="|".join(map(re.escape, config["evaluate"]["compare"])) or "[^/]+",


def section(stage, *keys):
    """The settings that a rule reads, all of a stage's or some, as plain values in a fixed order."""
    return plain({key: config[stage][key] for key in keys or config[stage]})


# MONAI and the code that needs it count only where one of its networks may be used.
UNUSED = (
    ["lunggtv.model.monai_networks"]
    if config["train"]["network"]["name"] == "residual_encoder" and not PACKAGE
    else []
)


def code_of(script):
    """Fingerprint of the code behind a rule: its script and all that this imports and that can change a byte."""
    return code_fingerprint(WORKFLOW / "scripts" / f"{script}.py", WORKFLOW, UNUSED)


def code_of_module(module):
    """Fingerprint of a module and all that it imports and that can change a byte."""
    return code_fingerprint(
        (WORKFLOW / module.replace(".", "/")).with_suffix(".py"), WORKFLOW, UNUSED
    )


def grows(mem_mb):
    """Memory that doubles with every retry, so that a job killed for memory ends in the end."""
    return lambda wildcards, attempt: mem_mb * 2 ** (attempt - 1)
