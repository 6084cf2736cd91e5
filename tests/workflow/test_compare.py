"""Masks of another tool, and those of another run, are scored and compared by the same evaluator."""

import json
import shutil

import pytest
import yaml
from lunggtv.tables import read_tsv

from tests.conftest import LABELLED
from tests.workflow.test_report import results_of

PATIENTS = [str(i) for i in range(1, LABELLED + 1)]


def compare_with(analysis, places: dict[str, str]) -> None:
    path = analysis.work / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["evaluate"] = {"compare": places}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


def test_another_tool_and_another_run_are_compared_pair_by_pair(analysis):
    """nnU-Net's folder with all that it writes, its cases named lung_001; and the folder of a run of ours."""
    theirs, run = analysis.work / "nnunet", analysis.work / "study2/results"
    theirs.mkdir()
    for name in (
        "dataset.json",
        "plans.json",
        "predict_from_raw_data_args.json",
        "lung_001.npz",
        "lung_001.pkl",
    ):
        (theirs / name).write_text("{}", encoding="utf-8")
    for patient in PATIENTS:
        source = analysis.work / f"results/infer/{patient}"
        shutil.copytree(source, run / "infer" / patient)
        shutil.copy(source / "gtv.nii.gz", theirs / f"lung_00{patient}.nii.gz")
    # One label drawn perfectly: there the other tool must win.
    shutil.copy(analysis.work / "raw/labelled/3/label.nii.gz", theirs / "lung_003.nii.gz")
    compare_with(analysis, {"nnU-Net": "nnunet/lung_{patient:0>3}.nii.gz", "seed2": "study2"})

    assert analysis.reruns() == {
        "collect_timings": 1, "compare_scores": 2, "describe_run": 1, "evaluate_other": 2 * LABELLED, "gather_sets": 1,
        "picture_other": 2 * LABELLED,
    }  # fmt: skip
    analysis.run()
    results = analysis.work / "results"
    other = json.loads((results / "compare/nnU-Net/3.json").read_text(encoding="utf-8"))
    assert other["dice"] == 1.0 and other["hd95_mm"] == 0.0 and other["fold"] is None
    ours = {
        patient: json.loads((results / f"evaluate/{patient}.json").read_text("utf-8")) for patient in PATIENTS
    }
    for patient in PATIENTS:
        same = json.loads((results / f"compare/seed2/{patient}.json").read_text(encoding="utf-8"))
        expected = ours[patient] | {"fold": None}
        assert same == expected, "the same mask has the same scores, whoever drew it"
    rows = {row["metric"]: row for row in read_tsv(results / "compare/sets.tsv")}
    gain = (1 - ours["3"]["dice"]) / LABELLED
    dice = rows["dice"]
    assert float(dice["nnU-Net"]) - float(dice["LungGTV"]) == pytest.approx(gain, abs=1e-5)
    assert dice["LungGTV"] == dice["seed2"]
    assert analysis.reruns() == {}
    for name in ("sets.tsv", "sets.html"):
        lost = (results / "compare" / name).rename(analysis.work / name)
        assert analysis.reruns()["gather_sets"] == 1, name
        lost.rename(results / "compare" / name)
    record = json.loads((results / "compare/nnU-Net/comparison.json").read_text(encoding="utf-8"))
    assert (record["first"], record["second"]) == ("LungGTV", "nnU-Net")
    mean = sum(scores["dice"] for scores in ours.values()) / LABELLED
    assert record["metrics"]["dice"]["first"]["mean"] == pytest.approx(mean)
    assert record["metrics"]["dice"]["second"]["mean"] == pytest.approx(mean + gain)
    for table, page in (("comparison", "every metric"), ("patients", "every patient")):
        text = (results / f"compare/nnU-Net/{table}.html").read_text(encoding="utf-8")
        columns = (
            (results / f"compare/nnU-Net/{table}.tsv").read_text(encoding="utf-8").splitlines()[0].split("\t")
        )
        assert f"LungGTV and nnU-Net: {page}" in text and all(
            column.replace("_", " ") in text for column in columns
        ), table
    assert read_tsv(results / "compare/nnU-Net/patients.tsv")[0]["patient"] == "3"
    assert "Against nnU-Net" in (results / "landing.rst").read_text(encoding="utf-8")
    report = results_of(results / "report.html")
    for name in ("comparison.html", "patients.html", "comparison.svg"):
        told = report[f"results/compare/nnU-Net/{name}"]
        assert "LungGTV against nnU-Net on the same patients" in told["caption"]
        assert told["labels"]["with"] == "nnU-Net" and told["category"] == "7 Comparisons"
    assert "Every set of drafts" in report["results/compare/sets.html"]["caption"]
    assert analysis.reruns() == {}


def test_a_missing_mask_stops_with_the_patient_named(analysis):
    (analysis.work / "empty").mkdir()
    compare_with(analysis, {"other": "empty"})
    done = analysis.run("--dry-run", check=False)
    assert done.returncode != 0
    assert "empty: no mask of patient 1" in done.stdout + done.stderr
