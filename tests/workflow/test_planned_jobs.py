"""What each job of a plan reads, writes and asks for, all of it: every rule in two dry runs."""

import json
import os
import re
import zipfile

import pytest

from tests.workflow.engine import Analysis, new_analysis

# Held out of fold 0: patient 1; of fold 1: patients 2 and 10, a folder of DICOM files. Of n1 there is no label.
SETTINGS = """
data: {unlabelled: raw/new}
folds: {count: 2}
cache: {lungs: "{patient}/lungs.nii.gz"}
evaluate: {compare: {other: masks}}
"""
LABELLED, EVERYBODY = ("1", "2", "10"), ("1", "2", "10", "n1")
PLACE = {patient: f"raw/{'labelled' if patient in LABELLED else 'new'}/{patient}" for patient in EVERYBODY}
FILES = {
    "1": ("data.nii.gz", "label.nii.gz"), "2": ("data.nii.gz", "label.nii.gz"), "n1": ("data.nii.gz",),
    "10": ("a.dcm", "b.dcm", "lungs.nii.gz"),
}  # fmt: skip
HELD_OUT = {"0": ("1",), "1": ("2", "10")}


def each(pattern: str, names: tuple[str, ...]) -> str:
    return " ".join(pattern.format(name) for name in names)


def raw(patient: str) -> str:
    return each(f"{PLACE[patient]}/{{}}", FILES[patient])


def expected(own: bool, probability: str = "") -> dict[str, str]:
    """Inputs, outputs and resources of each job; ``own``: models are trained here, and none come in a package, which
    has a spacing of its own."""
    plan = " plan.json" if own else ""
    folder, card = ("train", "card") if own else ("model", "model")
    calibration = "infer/calibration.json" if own else "model/calibration.json"

    def models(folds: tuple[str, ...]) -> str:
        weights = each(f"{folder}/fold{{}}/weights.safetensors", folds)
        return f"{weights} {each(f'{folder}/fold{{}}/{card}.json', folds)}"

    patients = {
        "ingest_patient": "{raw} -> ingest/{p}/volume.h5 ingest/{p}/verdict.json | mem_mb 1500 priority 1 runtime 20",
        "cache_patient": f"ingest/{{p}}/volume.h5 {{place}}/lungs.nii.gz{plan} -> cache/{{p}}/volume.h5 "
        "cache/{p}/crop.json | mem_mb 1500 runtime 20",
        "picture_crop": "ingest/{p}/volume.h5 cache/{p}/volume.h5 cache/{p}/crop.json -> cache/{p}/crop.png | "
        "mem_mb 1500 runtime 20",
        "predict_patient": "cache/{p}/volume.h5 {models} -> infer/{p}/prediction.h5 | gpu 0 mem_mb 6000 runtime 30",
        "infer_patient": f"infer/{{p}}/prediction.h5 {calibration} -> {probability}infer/{{p}}/gtv.nii.gz "
        "infer/{p}/infer.json | mem_mb 2000 runtime 20",
        "picture_draft": "ingest/{p}/volume.h5 infer/{p}/gtv.nii.gz infer/{p}/infer.json -> infer/{p}/gtv.png | "
        "mem_mb 2000 runtime 20",
        "evaluate_patient": "ingest/{p}/volume.h5 infer/{p}/gtv.nii.gz -> evaluate/{p}.json | mem_mb 2000 runtime 20",
        "picture_patient": "ingest/{p}/volume.h5 infer/{p}/gtv.nii.gz evaluate/{p}.json -> evaluate/{p}.png | "
        "mem_mb 2000 runtime 20",
        "evaluate_other other": "ingest/{p}/volume.h5 masks/{p}.nii.gz -> compare/other/{p}.json | "
        "mem_mb 2000 runtime 20",
        "picture_other other": "ingest/{p}/volume.h5 masks/{p}.nii.gz compare/other/{p}.json -> "
        "compare/other/{p}.png | mem_mb 2000 runtime 20",
        "write_rtstruct": "{raw} cache/{p}/volume.h5 infer/{p}/gtv.nii.gz infer/{p}/infer.json -> infer/{p}/gtv.dcm | "
        "mem_mb 2000 runtime 20",
    }
    few = {"picture_draft": ("n1",), "write_rtstruct": ("10",)}
    labelled = ("evaluate_patient", "picture_patient", "evaluate_other other", "picture_other other")
    lines = {}
    for rule, line in patients.items():
        for p in few.get(rule, LABELLED if rule in labelled else EVERYBODY):
            unseen = tuple(fold for fold, out in HELD_OUT.items() if not own or p == "n1" or p in out)
            lines[f"{rule} {p}"] = line.format(p=p, raw=raw(p), place=PLACE[p], models=models(unseen))
    scores = f"{each('evaluate/{}.json', LABELLED)} {each('compare/other/{}.json', LABELLED)}"
    figures = "evaluate/dice_by_volume.svg evaluate/distributions.svg evaluate/calibration.svg"
    comparison = "compare/other/comparison"
    compared = "compare/other/patients.tsv compare/other/patients.html"
    cards = each(f"{folder}/fold{{}}/{card}.json", ("0", "1"))
    lines |= {
        "collect_verdicts": f"{each('ingest/{}/verdict.json', EVERYBODY)} -> ingest/verdicts.tsv ingest/verdicts.html",
        "admit_cohort": "ingest/verdicts.tsv -> ingest/admitted.txt",
        "collect_crops": f"{each('cache/{}/crop.json', EVERYBODY)}{f'{plan} ingest/verdicts.tsv' * own} -> "
        "cache/crops.tsv cache/crops.html",
        "collect_reviews": f"{each('infer/{}/infer.json', EVERYBODY)} -> infer/review.tsv infer/review.html",
        "summarise_metrics": f"{each('evaluate/{}.json', LABELLED)} {each('infer/{}/infer.json', LABELLED)} -> "
        f"evaluate/metrics.tsv evaluate/metrics.html evaluate/summary.json {figures}",
        "compare_scores other": f"{scores} -> {comparison}.tsv {comparison}.html {compared} {comparison}.json "
        f"{comparison}.svg",
        "gather_sets": f"{scores} -> compare/sets.tsv compare/sets.html",
        "describe_run": f"ingest/verdicts.tsv infer/review.tsv evaluate/summary.json {comparison}.json {cards} "
        f"{calibration}{plan} -> landing.rst",
        "collect_timings": "landing.rst -> timings.tsv timings.html",
    }
    if not own:
        return lines | {
            "unpack_models": f"models.zip -> {models(('0', '1'))} model/calibration.json model/selftest.json | "
            "gpu 0 mem_mb 8000 runtime 60"
        }
    for fold, out in HELD_OUT.items():
        learnt = tuple(patient for patient in LABELLED if patient not in out)
        kept = (
            "weights.safetensors",
            "card.json",
            "history.tsv",
            "snapshots.safetensors",
            "samples.safetensors",
        )
        here = f"train/fold{fold}"
        scored = f"{each('cache/{}/volume.h5', out)} {each('ingest/{}/volume.h5', out)}"
        lines |= {
            f"train_fold {fold}": f"{each('cache/{}/volume.h5', learnt)}{plan} -> {each(f'{here}/{{}}', kept)} | "
            "cpu_hours 24 gpu 0 mem_mb 8000 runtime 720",
            f"validate_fold {fold}": f"{models((fold,))} {here}/snapshots.safetensors {scored} -> {here}/model.json "
            f"{here}/validation.tsv | gpu 0 mem_mb 8000 runtime 120",
            f"picture_curves {fold}": f"{here}/history.tsv {here}/validation.tsv -> {here}/curves.svg",
            f"picture_samples {fold}": f"{here}/samples.safetensors {here}/card.json -> {here}/augmentation.png | "
            "mem_mb 2000 runtime 20",
        }
    return lines | {
        "plan_geometry": "ingest/verdicts.tsv -> plan.json",
        "deal_folds": "-> folds.tsv",
        "calibrate_drafts": f"{each('infer/{}/prediction.h5', LABELLED)} {each('cache/{}/volume.h5', LABELLED)} -> "
        "infer/calibration.json | mem_mb 4000 runtime 60",
        "package_models": f"{models(('0', '1'))} infer/calibration.json{plan} -> package.zip | mem_mb 8000 runtime 60",
    }


@pytest.fixture
def study(tmp_path) -> Analysis:
    """Raw data and masks, none of which anybody reads to plan a run."""
    analysis = new_analysis(tmp_path / "study")
    for name in (
        *(f"{PLACE[patient]}/{name}" for patient in EVERYBODY for name in (*FILES[patient], "lungs.nii.gz")),
        *(f"masks/{patient}.nii.gz" for patient in LABELLED),
    ):
        path = analysis.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (analysis.work / "config.yaml").write_text(SETTINGS, encoding="utf-8")
    return analysis


def planned(analysis: Analysis, *targets: str) -> dict[str, str]:
    """Inputs, outputs and resources of each job, by its rule and wildcards; paths within ``results``."""
    done = analysis.run(*targets, "--dry-run", env=os.environ | {"CUDA_VISIBLE_DEVICES": ""})
    lines = {}
    _, *parts = re.split(r"^(?:local)?rule (\w+):\n", done.stdout + done.stderr, flags=re.MULTILINE)
    for rule, text in zip(parts[::2], parts[1::2], strict=True):
        told = dict(re.findall(r"^    (\w+): (.*)$", text, re.MULTILINE))
        told = {name: value.replace("results/", "").replace(",", "") for name, value in told.items()}
        wildcards = re.sub(r"\w+=", "", told.get("wildcards", ""))
        asked = re.findall(r"\b(gpu|runtime|mem_mb|cpu_hours)=(\d+)", told.get("resources", ""))
        asked += [(name, told[name]) for name in ("priority", "threads") if name in told]
        line = f"{told.get('input', '')} -> {told.get('output', '')}".strip()
        more = " ".join(f"{name} {value}" for name, value in sorted(asked))
        lines[f"{rule} {wildcards}".strip()] = f"{line} | {more}" if more else line
    return {job: line for job, line in lines.items() if job not in ("all", "package")}


def test_each_job_reads_writes_and_asks_for_what_it_should(study):
    assert planned(study, "all", "package") == expected(own=True)


def test_with_a_package_all_of_its_models_draft_everybody(study):
    with zipfile.ZipFile(study.work / "models.zip", "w") as package:
        content = {"schema": 1, "folds": 2, "settings": {"cache": {"spacing_mm": [5, 1, 1]}, "infer": {}}}
        package.writestr("package.json", json.dumps(content))
    path = study.work / "config.yaml"
    path.write_text(f"{SETTINGS}model: models.zip\ninfer: {{probability: true}}\n", encoding="utf-8")
    assert planned(study) == expected(own=False, probability="infer/{p}/probability.nii.gz ")


def test_without_anybody_to_score_nobody_is_compared(study):
    """Masks of another tool are named, but no patient has a label."""
    with zipfile.ZipFile(study.work / "models.zip", "w") as package:
        content = {"schema": 1, "folds": 2, "settings": {"cache": {"spacing_mm": [5, 1, 1]}, "infer": {}}}
        package.writestr("package.json", json.dumps(content))
    settings = SETTINGS.replace("data: {", "data: {labelled: null, ")
    (study.work / "config.yaml").write_text(f"{settings}model: models.zip\n", encoding="utf-8")
    found = {job.split()[0] for job in planned(study)}
    assert not found & {
        "evaluate_other",
        "picture_other",
        "compare_scores",
        "gather_sets",
        "summarise_metrics",
    }
    assert {"infer_patient", "collect_reviews", "describe_run"} <= found


def test_what_fails_is_tried_again_with_twice_the_memory(study):
    """Of a rule with a fixed amount, and of one whose amount follows the scan; both read what is no file of ours."""
    targets = ("results/train/fold0/augmentation.png", "results/cache/1/crop.png")
    names = ["train/fold0/samples.safetensors", "train/fold0/card.json", "cache/1/crop.json"]
    for name in (*names, "ingest/1/volume.h5", "cache/1/volume.h5"):
        path = study.work / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    rules = ("picture_samples", "picture_crop")
    done = study.run(*targets, "--allowed-rules", *rules, "--retries", "2", check=False)
    pattern = r"^(?:local)?rule (\w+):\n(?:    .*\n)*?    resources: .*?mem_mb=(\d+)"
    told = re.findall(pattern, done.stdout + done.stderr, re.MULTILINE)
    found = {rule: [int(memory) for name, memory in told if name == rule] for rule in rules}
    assert found == {"picture_samples": [2000, 4000, 8000], "picture_crop": [1500, 3000, 6000]}


def test_whom_no_model_may_draft_is_in_the_tables_of_scans_all_the_same(study):
    """Fold 1 is not trained: nobody but patient 1, whom fold 0 has not seen, and n1 are drafted, by fold 0 alone."""
    path = study.work / "config.yaml"
    path.write_text(f"{SETTINGS}train: {{run_folds: [0]}}\n", encoding="utf-8")
    found, everybody = planned(study), expected(own=True)
    for table in ("collect_verdicts", "collect_crops", "deal_folds", "train_fold 0", "predict_patient 1"):
        assert found[table] == everybody[table], table
    drafted = ("1", "n1")
    assert found["collect_reviews"].partition(" ->")[0] == each("infer/{}/infer.json", drafted)
    assert {job for job in found if job.startswith("predict_patient")} == {
        f"predict_patient {p}" for p in drafted
    }
    own = "train/fold0/weights.safetensors train/fold0/card.json"
    assert found["predict_patient n1"].partition(" ->")[0] == f"cache/n1/volume.h5 {own}"
    assert found["summarise_metrics"].partition(" ->")[0] == "evaluate/1.json infer/1/infer.json"
