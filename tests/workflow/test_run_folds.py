"""Training some folds only: nobody is drafted by a model that has seen them, and nothing is trained twice."""

import shutil

import yaml
from lunggtv.storage import read_tsv

from tests.conftest import LABELLED
from tests.workflow.test_reruns import AFTER_EVALUATION, FOLD, PATIENTS, settings
from tests.workflow.test_start import fresh, refused  # noqa: F401

LEFT_OUT = 2
DRAFTED = [patient for patient in PATIENTS if FOLD[patient] != LEFT_OUT]
# The unlabelled patient gets the mean of fewer models, and the threshold is learnt from fewer patients.
FEWER = {
    "predict_patient": 1,
    "calibrate_drafts": 1,
    "infer_patient": len(DRAFTED) + 1,
    "collect_reviews": 1,
    "evaluate_patient": len(DRAFTED),
    **AFTER_EVALUATION,
}


def test_patients_of_a_fold_left_out_are_neither_drafted_nor_scored(analysis):
    settings(analysis, train={"run_folds": [0, 1]})
    counts = analysis.reruns()
    assert {rule: count for rule, count in counts.items() if rule != "write_rtstruct"} == FEWER
    analysis.run()
    page = (analysis.work / "results/landing.rst").read_text(encoding="utf-8")
    table = (analysis.work / "results/evaluate/metrics.tsv").read_text(encoding="utf-8").splitlines()
    queue = {row["patient"] for row in read_tsv(analysis.work / "results/infer/review.tsv")}
    assert len(table) == len(DRAFTED) + 1
    assert queue & set(PATIENTS) == set(DRAFTED)
    for patient in PATIENTS:
        assert (f"- {patient} has no draft" in page) == (patient not in DRAFTED)


def test_a_fold_that_joins_later_trains_alone(analysis):
    settings(analysis, train={"run_folds": [1, 0]})
    shutil.rmtree(analysis.work / f"results/train/fold{LEFT_OUT}")
    assert "train_fold" not in analysis.reruns()
    settings(analysis, train={"run_folds": None})
    counts = analysis.reruns()
    assert counts["train_fold"] == counts["validate_fold"] == 1
    assert counts["predict_patient"] == LABELLED - len(DRAFTED) + 1


def test_one_fold_of_a_new_cohort(fresh):  # noqa: F811
    for patient in PATIENTS:
        folder = fresh.work / "raw/labelled" / patient
        folder.mkdir(parents=True)
        for name in ("data.nii.gz", "label.nii.gz"):
            (folder / name).write_bytes(b"x")
    own = {"folds": {"count": 3}, "train": {"run_folds": [1]}}
    (fresh.work / "config.yaml").write_text(yaml.safe_dump(own))
    counts = fresh.reruns()
    held_out = sum(fold == 1 for fold in FOLD.values())
    assert counts["ingest_patient"] == counts["cache_patient"] == LABELLED
    assert counts["train_fold"] == counts["validate_fold"] == 1
    assert counts["predict_patient"] == counts["evaluate_patient"] == held_out
    own["train"]["run_folds"] = [1, 3]
    (fresh.work / "config.yaml").write_text(yaml.safe_dump(own))
    output = refused(fresh, "--dry-run")
    assert "train.run_folds names fold 3, which holds no patient out" in output
    assert "can be trained: 0, 1, 2" in output
