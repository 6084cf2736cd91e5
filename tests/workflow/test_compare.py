"""Another tool's masks, named by patient as nnU-Net writes them, are scored and compared by the same evaluator."""

import json
import shutil

import yaml

from tests.conftest import LABELLED

PATIENTS = [str(i) for i in range(1, LABELLED + 1)]


def test_a_folder_of_masks_is_compared_pair_by_pair(analysis):
    theirs = analysis.work / "nnunet"
    theirs.mkdir()
    for patient in PATIENTS:
        shutil.copy(analysis.work / f"results/infer/{patient}/gtv.nii.gz", theirs / f"{patient}.nii.gz")
    (theirs / "dataset.json").write_text("{}")
    # One label drawn perfectly: there the other tool must win.
    shutil.copy(analysis.work / "raw/labelled/3/label.nii.gz", theirs / "3.nii.gz")
    path = analysis.work / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["evaluate"] = {"compare": {"nnU-Net": "nnunet"}}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")

    assert analysis.reruns() == {"evaluate_other": LABELLED, "compare_scores": 1}
    analysis.run()
    other = json.loads((analysis.work / "results/compare/nnU-Net/3.json").read_text(encoding="utf-8"))
    assert other["dice"] == 1.0 and other["hd95_mm"] == 0.0 and other["fold"] is None
    same = json.loads((analysis.work / "results/compare/nnU-Net/2.json").read_text(encoding="utf-8"))
    ours = json.loads((analysis.work / "results/evaluate/2.json").read_text(encoding="utf-8"))
    assert {**same, "fold": ours["fold"]} == ours, "the same mask has the same scores, whoever drew it"
    assert (analysis.work / "results/compare/nnU-Net/comparison.svg").is_file()
    assert analysis.reruns() == {}


def test_a_missing_mask_stops_with_the_patient_named(analysis):
    (analysis.work / "empty").mkdir()
    path = analysis.work / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["evaluate"] = {"compare": {"other": "empty"}}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    done = analysis.run("--dry-run", check=False)
    assert done.returncode != 0
    assert "empty: no mask of patient 1" in done.stdout + done.stderr
