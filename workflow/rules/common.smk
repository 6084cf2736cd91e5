# Shared by all rules: the checked settings, the cohort, and what goes into a rule's params.

import itertools
import re
import sys

import lunggtv
from lunggtv.cohort.cohort import Cohort, find_cohort, why_untrained
from lunggtv.cohort.config import check_config, check_files, plain
from lunggtv.cohort.discover_words import passed_over
from lunggtv.cohort.standing_plan import plan_stands
from lunggtv.cohort.typed_texts import typed_texts
from lunggtv.errors import CohortError, LungGtvError, words_of
from lunggtv.evaluate.other_masks import check_places, mask_file
from lunggtv.package.package_file import read_manifest
from lunggtv.package.start_models import start_models
from lunggtv.report.result_names import crop_labels, draft_labels
from lunggtv.geometry_plan import AUTO
from lunggtv.gpu_presence import gpu_is_there
from lunggtv.locks import lock_run
from lunggtv.labelled_patients import keep_labelled
from lunggtv.code_identity import code_fingerprint
from lunggtv.tables import read_tsv
from lunggtv.version import NAME, VERSION
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

SHIPPED = workflow.source_path("../../config.yaml")
SCHEMA = workflow.source_path("../schemas/config.schema.yaml")
# The shipped settings, and over them those of the user, whose own dictionary a module must not change.
given, config = config, load_configfile(SHIPPED)
update_config(config, given)

# Why nobody takes part, where reading the rules must not fail for it: see `of_patients`.
NOBODY = None
try:
    check_files([SHIPPED, *workflow.configfiles])
    config = typed_texts(config, SCHEMA)
    check_config(config, SCHEMA)
    PACKAGE = read_manifest(config["model"]) if config["model"] else None
    if PACKAGE is not None:
        # Its models draft as they learnt: the settings that drafts depend on come with them.
        for stage, settings in PACKAGE["settings"].items():
            config[stage] = {**config[stage], **settings}
        check_config(config, SCHEMA)
    check_places(config["evaluate"]["compare"])
    STARTS = [] if PACKAGE else start_models(config["train"]["start_from"])
    COHORT = find_cohort(config)
except CohortError as error:
    NOBODY = str(error)
    COHORT = Cohort({}, {}, {}, ())
except LungGtvError as error:
    raise WorkflowError(words_of(error)) from None

# Why nobody can be drafted or scored, and why there are no models of our own.
MODELLESS = None if NOBODY or PACKAGE else why_untrained(COHORT)
UNTRAINED = MODELLESS
if PACKAGE:
    UNTRAINED = (
        f"Nothing is trained or packaged here, because the models of {config['model']} are used. Set model to null in "
        "config.yaml to train, or ask for infer or evaluate."
    )
# Folders beside the patients', in one line.
IGNORED = passed_over(COHORT.ignored)
PATIENTS = list(COHORT.patients)
# Models of a package, or of the folds trained here; and the patients that these draft, and are scored on.
MODELS = list(range(PACKAGE["folds"])) if PACKAGE else COHORT.trained_folds
FOLDS = {} if PACKAGE else COHORT.folds
# Nobody is drafted by a model that has seen them: where a fold is not trained, its patients get no draft.
DRAFTED = [p for p in PATIENTS if MODELS and (p not in FOLDS or FOLDS[p] in MODELS)]
SCORED = [p for p in DRAFTED if COHORT.patients[p].labelled]
# Which folds are trained is no setting of a fold's training, and what it begins from is an input.
TRAINING = [key for key in config["train"] if key not in ("run_folds", "start_from")]
# What `auto` stands for is planned once. A package brings its spacing, and needs no patch.
PLAN = "results/plan.json"
SPACING_PLAN = PLAN if config["cache"]["spacing_mm"] == AUTO else []
PATCH_PLAN = PLAN if config["train"]["patch_shape"] == AUTO and not PACKAGE else []
PLANNED = [
    *(["spacing_mm"] if SPACING_PLAN else []),
    *(["patch_shape"] if PATCH_PLAN else []),
]
PLANS = [PLAN] if PLANNED else []
# What a target needs: its tables, and all that the report shows, so that what was deleted is made again.
COHORT_TABLES = [
    *multiext("results/ingest/verdicts", ".tsv", ".html"),
    "results/ingest/admitted.txt",
    *PLANS,
    *multiext("results/cache/crops", ".tsv", ".html"),
    *expand("results/cache/{patient}/crop.png", patient=PATIENTS),
]


def gpu(wildcards):
    """A GPU for a job that is sent to a queue, and here if there is one; without, such jobs run side by side."""
    return int(workflow.remote_exec or not workflow.local_exec or gpu_is_there())


def asked_for(*names):
    """Whether the command names one of these rules or files, as a target or to be forced. Snakemake itself tells rules
    only after they are read.
    """
    return any(word.endswith(names) for word in sys.argv[1:])


# A second run in the same folder stops here. The profiles switch off Snakemake's own lock, which outlives a run
# that was killed.
onstart:
    try:
        lock_run()
    except LungGtvError as error:
        raise WorkflowError(str(error)) from None
    if IGNORED:
        print(IGNORED, file=sys.stderr, flush=True)
    keep_labelled(
        COHORT.labelled,
        stale={
            job.wildcards.patient: job.output.verdict
            for job in workflow.dag.needrun_jobs()
            if job.rule.name.endswith("ingest_patient")
        },
    )


wildcard_constraints:
    # Not all names joined: Snakemake copies the pattern for every file, which 10,000 patients would feel.
    patient=r"(?!(summary|comparison)\.json)[^/]+",
    fold=r"\d+",
    other="|".join(map(re.escape, config["evaluate"]["compare"])) or "[^/]+",


def section(stage, *keys):
    """The settings that a rule reads, all of a stage's or some, as plain values in a fixed order."""
    return plain({key: config[stage][key] for key in keys or config[stage]})


def refuse(why):
    """Raise an error of words alone."""
    raise WorkflowError(why)


def nobody(wildcards):
    """Raise the error of the cohort."""
    refuse(NOBODY)


def of_patients(*results, lacking=None):
    """Files that a target asks for; where nobody takes part, or what they need is ``lacking``, an error as soon as
    they are gone through. Of what an input function raises by itself, Snakemake would print a traceback.
    """
    why = NOBODY or lacking
    return map(refuse, [why]) if why else itertools.chain(*results)


PACKAGES = Path(lunggtv.__file__).parents[1]
# MONAI and the code that needs it count only where one of its networks may be used.
UNUSED = (
    ["lunggtv.model.monai_networks"]
    if config["train"]["network"]["name"] == "residual_encoder" and not PACKAGE
    else []
)


def code_of(script):
    """Fingerprint of the code behind a rule: its script and all that this imports and that can change a byte.
    Every job needs it: where nobody takes part, none is run.
    """
    if NOBODY:
        return nobody
    return code_fingerprint(workflow.source_path(f"../scripts/{script}.py"), PACKAGES, UNUSED)


def code_of_modules(*modules):
    """Fingerprint of modules and all that they import and that can change a byte."""
    found = {}
    for module in modules:
        path = PACKAGES.joinpath(*module.split(".")).with_suffix(".py")
        found |= code_fingerprint(path, PACKAGES, UNUSED)
    return dict(sorted(found.items()))


def grows(mem_mb):
    """Memory that doubles with every retry, so that a job killed for memory ends in the end."""
    return lambda wildcards, attempt: mem_mb * 2 ** (attempt - 1)
