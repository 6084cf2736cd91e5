"""Training some folds only: nobody is drafted by a model that has seen them, and nothing is trained twice."""

import shutil

import yaml
from lunggtv.cohort.folds import deal_folds
from lunggtv.tables import read_tsv

from tests.conftest import FOLDS, LABELLED
from tests.workflow.engine import Analysis, new_analysis

PATIENTS = [str(i) for i in range(1, LABELLED + 1)]
FOLD = deal_folds(PATIENTS, FOLDS, 2019)
LEFT_OUT = 2
DRAFTED = [patient for patient in PATIENTS if FOLD[patient] != LEFT_OUT]
# The unlabelled patient gets the mean of fewer models, and the threshold is learnt from fewer patients.
FEWER = {
    "predict_patient": 1,
    "calibrate_drafts": 1,
    "infer_patient": len(DRAFTED) + 1,
    "picture_draft": 1,
    "collect_reviews": 1,
    "evaluate_patient": len(DRAFTED),
    "picture_patient": len(DRAFTED),
    "summarise_metrics": 1,
    "describe_run": 1,
    "collect_timings": 1,
}


def run_folds(analysis: Analysis, folds: list[int] | None) -> None:
    """Set ``train.run_folds`` in the analysis' own settings."""
    path = analysis.work / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    config.setdefault("train", {})["run_folds"] = folds
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


def test_patients_of_a_fold_left_out_are_neither_drafted_nor_scored(analysis):
    run_folds(analysis, [0, 1])
    counts = analysis.reruns()
    assert {rule: count for rule, count in counts.items() if rule != "write_rtstruct"} == FEWER
    analysis.run()
    page = (analysis.work / "results/landing.rst").read_text(encoding="utf-8")
    scored = [row["patient"] for row in read_tsv(analysis.work / "results/evaluate/metrics.tsv")]
    queue = {row["patient"] for row in read_tsv(analysis.work / "results/infer/review.tsv")}
    assert scored == DRAFTED
    assert queue & set(PATIENTS) == set(DRAFTED)
    for patient in PATIENTS:
        assert (f"- {patient} has no draft" in page) == (patient not in DRAFTED)


def test_a_fold_that_joins_later_trains_alone(analysis):
    run_folds(analysis, [1, 0])
    shutil.rmtree(analysis.work / f"results/train/fold{LEFT_OUT}")
    assert "train_fold" not in analysis.reruns()
    run_folds(analysis, None)
    counts = analysis.reruns()
    assert counts["train_fold"] == counts["validate_fold"] == 1
    assert counts["predict_patient"] == LABELLED - len(DRAFTED) + 1


def test_one_fold_of_a_new_cohort(tmp_path):
    fresh = new_analysis(tmp_path)
    for patient in PATIENTS:
        folder = fresh.work / "raw/labelled" / patient
        folder.mkdir(parents=True)
        for name in ("data.nii.gz", "label.nii.gz"):
            (folder / name).write_bytes(b"x")
    (fresh.work / "config.yaml").write_text(f"folds: {{count: {FOLDS}}}\n", encoding="utf-8")
    run_folds(fresh, [1])
    counts = fresh.reruns()
    held_out = list(FOLD.values()).count(1)
    assert counts["ingest_patient"] == counts["cache_patient"] == LABELLED
    assert counts["train_fold"] == counts["validate_fold"] == 1
    assert counts["predict_patient"] == counts["evaluate_patient"] == held_out
    run_folds(fresh, [1, FOLDS])
    refused = fresh.run("--dry-run", check=False)
    words = refused.stdout + refused.stderr
    assert refused.returncode != 0 and "Traceback" not in words
    assert f"train.run_folds names fold {FOLDS}, which holds no patient out" in words
    assert "can be trained: 0, 1, 2" in words
