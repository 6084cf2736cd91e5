"""The design's rerun table: what an event reruns, to the job, with exact equality."""

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from lunggtv.folds import deal_folds

from tests.conftest import FOLDS, LABELLED
from tests.workflow.engine import Analysis, new_analysis

PATIENTS = [str(i) for i in range(1, LABELLED + 1)]
FOLD = deal_folds(PATIENTS, FOLDS, 2019)
COHORT_TABLES = {"collect_verdicts": 1, "admit_cohort": 1, "collect_crops": 1}
AFTER_EVALUATION = {"summarise_metrics": 1, "describe_run": 1, "collect_timings": 1}
# The threshold is learnt from all out-of-fold predictions, so a new one draws every patient again.
DRAWN_ALL = {
    "calibrate_drafts": 1,
    "infer_patient": LABELLED + 1,
    "write_rtstruct": 1,
    "picture_draft": 1,  # of the patient without a label
    "collect_reviews": 1,
    "evaluate_patient": LABELLED,
    **AFTER_EVALUATION,
}
PREDICT_ALL = {"predict_patient": LABELLED + 1, **DRAWN_ALL}
TRAIN_ALL = {"train_fold": FOLDS, "validate_fold": FOLDS, **PREDICT_ALL}
CACHE_ALL = {"cache_patient": LABELLED + 1, "collect_crops": 1, **TRAIN_ALL}
INGEST_ALL = {"ingest_patient": LABELLED + 1, "collect_verdicts": 1, "admit_cohort": 1, **CACHE_ALL}


def folds_of(patients: list[str]) -> dict[str, int]:
    return deal_folds(patients, FOLDS, 2019)


def settings(analysis: Analysis, **sections) -> None:
    """Change keys of the analysis' own settings."""
    path = analysis.work / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section, keys in sections.items():
        config.setdefault(section, {}).update(keys)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def after_training(patients: list[str], trained: set[int], changed: set[str]) -> dict[str, int]:
    """What follows when the models of ``trained`` folds and the caches of ``changed`` patients are new."""
    folds = folds_of(patients)
    predicted = [p for p in patients if folds[p] in trained or p in changed]
    drawn = DRAWN_ALL | {"infer_patient": len(patients) + 1, "evaluate_patient": len(patients)}
    return {"predict_patient": len(predicted) + 1, **drawn}


def rewrite(path: Path) -> None:
    """Other bytes, same voxels: the gzip stream is packed anew at another level."""
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content, compresslevel=2, mtime=1))


def touch_all(folder: Path) -> None:
    for path in folder.rglob("*"):
        os.utime(path)


def test_nothing_changed_reruns_nothing(analysis):
    assert analysis.reruns() == {}


def test_touching_everything_reruns_nothing(analysis):
    touch_all(analysis.work / "raw")
    touch_all(analysis.work / "results")
    touch_all(analysis.project)
    assert analysis.reruns() == {}


def test_a_fresh_clone_with_the_results_copied_reruns_nothing(analysis, tmp_path):
    clone = new_analysis(tmp_path / "clone")
    shutil.rmtree(clone.work)
    subprocess.run(["cp", "-a", analysis.work, clone.work], check=True)
    assert clone.reruns() == {}


@pytest.mark.parametrize(
    "options",
    [
        ("--cores", "1"),
        ("--cores", "16"),
        ("--workflow-profile", "none", "--rerun-triggers", "mtime", "params", "input"),
        ("--set-resources", "train_fold:gpu=0"),
        ("--set-threads", "train_fold=4"),
    ],
)
def test_cores_profiles_and_gpus_rerun_nothing(finished, options):
    assert finished.reruns(*options) == {}


def test_a_comment_or_docstring_reruns_nothing(analysis):
    for path in sorted((analysis.project / "workflow").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        path.write_text(f"# a comment\n{text}\n# another\n", encoding="utf-8")
    analysis.edit("workflow/lunggtv/geometry.py", '"""Where voxels lie', '"""Where all voxels lie')
    assert analysis.reruns() == {}


@pytest.mark.parametrize("patient", PATIENTS[1:3])
def test_raw_bytes_of_one_patient(analysis, patient):
    rewrite(analysis.work / f"raw/labelled/{patient}/data.nii.gz")
    others = {fold for fold in FOLD.values() if fold != FOLD[patient]}
    assert analysis.reruns() == {
        "ingest_patient": 1,
        "cache_patient": 1,
        **COHORT_TABLES,
        "train_fold": FOLDS - 1,
        "validate_fold": FOLDS,
        **after_training(PATIENTS, others, {patient}),
    }


def test_the_label_of_one_patient(analysis):
    rewrite(analysis.work / "raw/labelled/3/label.nii.gz")
    assert analysis.reruns()["ingest_patient"] == 1


def test_a_labelled_patient_added_at_the_end(analysis, raw_cohort):
    new = str(LABELLED + 1)
    shutil.copytree(raw_cohort / "labelled" / new, analysis.work / "raw/labelled" / new)
    patients = [*PATIENTS, new]
    folds = folds_of(patients)
    assert {p: folds[p] for p in PATIENTS} == FOLD, "nobody else changes fold"
    trained = {fold for fold in range(FOLDS) if fold != folds[new]}
    assert analysis.reruns() == {
        "ingest_patient": 1,
        "cache_patient": 1,
        **COHORT_TABLES,
        "deal_folds": 1,
        "train_fold": FOLDS - 1,
        "validate_fold": FOLDS,
        **after_training(patients, trained, {new}),
    }


def test_an_unlabelled_patient_added(analysis, raw_cohort):
    present = {folder.name for folder in (analysis.work / "raw/unlabelled").iterdir()}
    (new,) = [f for f in (raw_cohort / "unlabelled").iterdir() if f.name not in present]
    shutil.copytree(new, analysis.work / "raw/unlabelled" / new.name)
    assert analysis.reruns() == {
        "ingest_patient": 1,
        "cache_patient": 1,
        "predict_patient": 1,
        "infer_patient": 1,
        "picture_draft": 1,
        **COHORT_TABLES,
        "collect_reviews": 1,
        "describe_run": 1,
        "collect_timings": 1,
    }


def test_an_excluded_patient(analysis):
    settings(analysis, data={"exclude": {"2": "moved during the scan"}})
    trained = {fold for fold in range(FOLDS) if fold != FOLD["2"]}
    alone = list(FOLD.values()).count(FOLD["2"]) == 1
    predicted = [p for p in PATIENTS if p != "2" and FOLD[p] in trained]
    assert analysis.reruns() == {
        **COHORT_TABLES,
        "deal_folds": 1,
        "train_fold": FOLDS - 1,
        "validate_fold": FOLDS - 1 if alone else FOLDS,
        "predict_patient": len(predicted) + 1,
        **DRAWN_ALL,
        "infer_patient": LABELLED,
        "evaluate_patient": LABELLED - 1,
    }


def test_the_margin_of_the_box(analysis):
    margin = dict.fromkeys(("cranial", "caudal", "anterior", "posterior", "left", "right"), 25)
    settings(analysis, cache={"margin_mm": margin})
    assert analysis.reruns() == CACHE_ALL


def test_a_training_setting(analysis):
    settings(analysis, train={"seed": 77})
    assert analysis.reruns() == TRAIN_ALL


def test_an_evaluation_tolerance(analysis):
    settings(analysis, evaluate={"tolerances_mm": [1, 2, 3, 5, 7]})
    assert analysis.reruns() == {"evaluate_patient": LABELLED, **AFTER_EVALUATION}


def test_a_module_used_by_two_stages_reruns_those_two_and_what_follows(analysis):
    analysis.edit("workflow/lunggtv/resampling.py", "import numpy as np\n", "import numpy as np\n\nA = 1\n")
    assert analysis.reruns() == CACHE_ALL


def test_a_module_of_one_stage_reruns_that_stage_and_what_follows(analysis):
    analysis.edit(
        "workflow/lunggtv/evaluate/surface.py", "import numpy as np\n", "import numpy as np\n\nA = 1\n"
    )
    assert analysis.reruns() == {"evaluate_patient": LABELLED, **AFTER_EVALUATION}


def test_keys_in_another_order_rerun_nothing(analysis):
    def reversed_keys(value):
        if isinstance(value, dict):
            return {key: reversed_keys(value[key]) for key in reversed(value)}
        return value

    path = analysis.project / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(reversed_keys(config), sort_keys=False), encoding="utf-8")
    assert analysis.reruns() == {}


def test_two_equal_typed_values_swapped_rerun_the_right_stage(analysis):
    margin = yaml.safe_load((analysis.work / "config.yaml").read_text(encoding="utf-8"))["cache"]["margin_mm"]
    assert margin["cranial"] != margin["caudal"]
    margin["cranial"], margin["caudal"] = margin["caudal"], margin["cranial"]
    settings(analysis, cache={"margin_mm": margin})
    assert analysis.reruns() == CACHE_ALL


@pytest.mark.parametrize(
    ("lost", "repair"),
    [
        ("results/evaluate/1.json", {"evaluate_patient": 1, **AFTER_EVALUATION}),
        ("results/evaluate/summary.json", AFTER_EVALUATION),
        (
            "results/ingest/verdicts.tsv",
            {"collect_verdicts": 1, "admit_cohort": 1, "describe_run": 1, "collect_timings": 1},
        ),
        (
            "results/infer/2/gtv.nii.gz",
            {"infer_patient": 1, "evaluate_patient": 1, "collect_reviews": 1, **AFTER_EVALUATION},
        ),
        ("results/cache/3/volume.h5", {}),
    ],
)
def test_a_lost_output_reruns_what_repairs_it(analysis, lost, repair):
    (analysis.work / lost).unlink()
    assert analysis.reruns() == repair
