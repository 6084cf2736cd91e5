"""The design's rerun table: what an event reruns, to the job, with exact equality."""

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest
import yaml

from tests.conftest import DICOM, FOLDS, LABELLED
from tests.workflow.engine import PROJECT, Analysis, new_analysis
from tests.workflow.expected import (
    AFTER_EVALUATION,
    EVERYBODY,
    FOLD,
    JOBS,
    PATIENTS,
    after_training,
    all_from,
    all_jobs_of,
    folds_of,
)

COHORT_TABLES = all_jobs_of(["collect_verdicts", "admit_cohort", "collect_crops"])


def one_patient_read_anew(patient: str) -> dict[str, int]:
    """What follows when the raw files of a labelled patient change: its own fold does not train on it."""
    others = {fold for fold in FOLD.values() if fold != FOLD[patient]}
    return {
        "ingest_patient": 1,
        "cache_patient": 1,
        "picture_crop": 1,
        **COHORT_TABLES,
        "train_fold": FOLDS - 1,
        "picture_samples": FOLDS - 1,
        "validate_fold": FOLDS,
        "picture_curves": FOLDS,
        **after_training(PATIENTS, others, {patient}),
    }


def one_patient_more(patients: list[str], new: str) -> dict[str, int]:
    """What follows when the labelled cohort becomes ``patients``, of whom ``new`` was never seen before."""
    folds = folds_of(patients)
    trained = {fold for fold in range(FOLDS) if fold != folds[new]}
    return {
        "ingest_patient": 1,
        "cache_patient": 1,
        "picture_crop": 1,
        **COHORT_TABLES,
        "deal_folds": 1,
        "train_fold": FOLDS - 1,
        "picture_samples": FOLDS - 1,
        "validate_fold": FOLDS,
        "picture_curves": FOLDS,
        **after_training(patients, trained, {new}),
    }


def one_patient_less(gone: str) -> dict[str, int]:
    """What follows when a labelled patient is excluded: nobody else changes fold."""
    trained = {fold for fold in range(FOLDS) if fold != FOLD[gone]}
    alone = list(FOLD.values()).count(FOLD[gone]) == 1
    predicted = [p for p in PATIENTS if p != gone and FOLD[p] in trained]
    return {
        **COHORT_TABLES,
        "deal_folds": 1,
        "train_fold": FOLDS - 1,
        "picture_samples": FOLDS - 1,
        "validate_fold": FOLDS - 1 if alone else FOLDS,
        "picture_curves": FOLDS - 1 if alone else FOLDS,
        "predict_patient": len(predicted) + 1,
        **all_from("calibrate_drafts"),
        "infer_patient": EVERYBODY - 1,
        "evaluate_patient": LABELLED - 1,
        "picture_patient": LABELLED - 1,
    }


ADDED = str(LABELLED + 1)
# The README's table, row by row: the change in its words, and what it reruns in the cohort of the tests.
RERUNS = {
    "nothing; file times; a fresh clone with results copied, or results moved": {},
    "cores, memory, profile, GPU": {},
    "comments, docstrings, blank lines; the order of keys in config.yaml": {},
    "a raw file written again with the same bytes": {},
    "the CT, label or any DICOM file of one patient": one_patient_read_anew("3"),
    "a labelled patient added at the end": one_patient_more([*PATIENTS, ADDED], ADDED),
    "an unlabelled patient added": {
        "ingest_patient": 1,
        "cache_patient": 1,
        "picture_crop": 1,
        "predict_patient": 1,
        "infer_patient": 1,
        "picture_draft": 1,
        **COHORT_TABLES,
        "collect_reviews": 1,
        **all_from("describe_run"),
    },
    "a patient excluded": one_patient_less("2"),
    "a setting of `ingest`": all_from("ingest_patient"),
    "a setting of `cache`": all_from("cache_patient"),
    "a setting of `train`": all_from("train_fold"),
    "`infer.threshold` or `infer.smallest_lesion_ml`": all_from("calibrate_drafts"),
    "`infer.review_dice`": all_from("infer_patient"),
    "`evaluate.tolerances_mm`": all_from("evaluate_patient"),
    "`evaluate.resamples`": all_from("summarise_metrics"),
    "a wording in `errors.py`, `job.py`, `locks.py` or training's `doubts.py` or `progress.py`": {},
    "a colour of the crop's picture": all_from("picture_crop"),
    "a colour of the patient's picture": all_from("picture_patient", "picture_draft"),
    "MONAI's version, or the code of its networks, where none of them is used": {},
    "the order of a table's rows": all_from(
        "collect_verdicts", "collect_crops", "collect_reviews", "summarise_metrics"
    ),
    "a comparison's code, where nothing is compared": {},
    "a module that only ingest imports": all_from("ingest_patient"),
    "a module that only training imports": all_from("train_fold"),
    "a module that only evaluation imports": all_from("evaluate_patient"),
    "a score (`results/evaluate/1.json`) deleted": {
        "evaluate_patient": 1,
        "picture_patient": 1,
        **AFTER_EVALUATION,
    },
    "a draft (`results/infer/2/gtv.nii.gz`) deleted": {
        "infer_patient": 1,
        "evaluate_patient": 1,
        "picture_patient": 1,
        "collect_reviews": 1,
        **AFTER_EVALUATION,
    },
    "a volume that everybody has already read deleted": {},
    "the plan (`results/plan.json`) deleted, where a setting is `auto`": {
        "plan_geometry": 1,
        **all_from("cache_patient"),
    },
}


def settings(analysis: Analysis, **sections) -> None:
    """Change keys of the analysis' own settings."""
    path = analysis.work / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section, keys in sections.items():
        config.setdefault(section, {}).update(keys)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def rewrite(path: Path) -> None:
    """Other bytes, same voxels: another gzip stream, or a DICOM header with another institution."""
    if path.suffix == ".gz":
        content = gzip.decompress(path.read_bytes())
        path.write_bytes(gzip.compress(content, compresslevel=2, mtime=1))
    else:
        header = pydicom.dcmread(path)
        header.InstitutionName = "elsewhere"
        header.save_as(path)


def touch_all(folder: Path, time_s: float | None = None) -> None:
    for path in folder.rglob("*"):
        os.utime(path, None if time_s is None else (time_s, time_s))


def test_nothing_changed(analysis):
    assert (
        analysis.reruns()
        == RERUNS["nothing; file times; a fresh clone with results copied, or results moved"]
    )


@pytest.mark.parametrize(
    ("what", "time_s"),
    [("", None), ("", 1e9), ("", 4e9), ("work/raw", None), ("work/results", 1e9)],
    ids=["all-now", "all-2001", "all-2096", "raw-now", "results-2001"],
)
def test_file_times(analysis, what, time_s):
    touch_all(analysis.project.parent / what, time_s)
    assert (
        analysis.reruns()
        == RERUNS["nothing; file times; a fresh clone with results copied, or results moved"]
    )


def test_results_copied_without_their_times(analysis, tmp_path):
    # The copies are dated in the order of the names: drafts get older than models, models older than caches...
    shutil.copytree(analysis.work, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    assert Analysis(analysis.project, tmp_path / "elsewhere").reruns() == {}


def test_a_fresh_clone_with_the_results_copied(analysis, tmp_path):
    clone = new_analysis(tmp_path / "clone")
    shutil.rmtree(clone.work)
    subprocess.run(["cp", "-a", analysis.work, clone.work], check=True)
    assert (
        clone.reruns() == RERUNS["nothing; file times; a fresh clone with results copied, or results moved"]
    )


@pytest.mark.parametrize(
    "options",
    [
        ("--cores", "1"),
        ("--cores", "16"),
        ("--workflow-profile", "none", "--rerun-triggers", "mtime", "params", "input"),
        ("--workflow-profile", str(PROJECT / "profiles/slurm")),
        ("--set-resources", "train_fold:gpu=0"),
        ("--set-resources", "ingest_patient:mem_mb=99000"),
        ("--set-threads", "train_fold=4"),
    ],
)
def test_cores_profiles_and_gpus(finished, options):
    assert finished.reruns(*options) == RERUNS["cores, memory, profile, GPU"]


def test_the_same_settings_on_the_command_line(finished):
    """They arrive as texts, and are the same params."""
    given = [
        "data={unlabelled: raw/unlabelled, exclude: {}, follow_links: false}",
        "folds={count: 3, pinned: null}",
        "cache={spacing_mm: [6.25, 6.4, 6.4], margin_mm: {cranial: 30, posterior: 20}}",
        "train={steps: 2, learning_rate: 0.01, patch_shape: [8, 16, 16], network: {blocks: [1], width: 2}}",
        "infer={threshold: null, mirror: true, review_dice: 0.7}",
        "evaluate={tolerances_mm: [1, 2, 3, 5], compare: {}}",
    ]
    assert finished.reruns("--config", *given) == {}
    assert finished.reruns("--config", "evaluate={tolerances_mm: [1, 2]}") != {}


def test_comments_and_docstrings(analysis):
    for path in sorted((analysis.project / "workflow").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        path.write_text(f"# a comment\n{text}\n# another\n", encoding="utf-8")
    analysis.edit("workflow/lunggtv/geometry.py", '"""Where voxels lie', '"""Where all voxels lie')
    assert analysis.reruns() == RERUNS["comments, docstrings, blank lines; the order of keys in config.yaml"]


def test_keys_in_another_order(analysis):
    def reversed_keys(value):
        if isinstance(value, dict):
            return {key: reversed_keys(value[key]) for key in reversed(value)}
        return value

    path = analysis.project / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(reversed_keys(config), sort_keys=False), encoding="utf-8")
    assert analysis.reruns() == RERUNS["comments, docstrings, blank lines; the order of keys in config.yaml"]


def test_raw_files_written_again_with_the_same_bytes(analysis):
    for path in sorted(path for path in (analysis.work / "raw").rglob("*") if path.is_file()):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    assert analysis.reruns() == RERUNS["a raw file written again with the same bytes"]


def test_patients_listed_in_another_order(analysis):
    raw = analysis.work / "raw"
    raw.rename(analysis.work / "before")
    for folder in sorted((analysis.work / "before").glob("*/*"), reverse=True):
        (raw / folder.parent.name).mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", folder, raw / folder.parent.name], check=True)
    shutil.rmtree(analysis.work / "before")
    assert analysis.reruns() == {}


@pytest.mark.parametrize(
    ("patient", "file"), [("2", "data.nii.gz"), ("3", "data.nii.gz"), ("3", "label.nii.gz"), (DICOM, "*.dcm")]
)
def test_raw_bytes_of_one_patient(analysis, patient, file):
    rewrite(sorted((analysis.work / f"raw/labelled/{patient}").rglob(file))[0])
    found = analysis.reruns()
    assert found == one_patient_read_anew(patient)
    if patient == "3":
        assert found == RERUNS["the CT, label or any DICOM file of one patient"]


@pytest.mark.parametrize(("patient", "file"), [("3", "label.nii.gz"), (DICOM, "*.dcm")])
def test_other_raw_bytes_with_an_older_time(analysis, patient, file):
    """A copy restored from elsewhere: to Snakemake it is older than what was made of the one before."""
    path = sorted((analysis.work / f"raw/labelled/{patient}").rglob(file))[0]
    size = path.stat().st_size
    rewrite(path)
    os.utime(path, (0, 0))
    assert path.stat().st_size != size
    assert analysis.reruns() == one_patient_read_anew(patient)


def test_a_labelled_patient_added_at_the_end(analysis, raw_cohort):
    shutil.copytree(raw_cohort / "labelled" / ADDED, analysis.work / "raw/labelled" / ADDED)
    folds = folds_of([*PATIENTS, ADDED])
    assert {p: folds[p] for p in PATIENTS} == FOLD, "nobody else changes fold"
    assert analysis.reruns() == RERUNS["a labelled patient added at the end"]


def test_a_patient_renamed(analysis):
    old, new = PATIENTS[-1], f"{PATIENTS[-1]}b"
    (analysis.work / "raw/labelled" / old).rename(analysis.work / "raw/labelled" / new)
    # The new name is a new patient, dealt to the place of the old one.
    assert folds_of([*PATIENTS[:-1], new])[new] == FOLD[old]
    assert analysis.reruns() == one_patient_more([*PATIENTS[:-1], new], new)


def test_an_unlabelled_patient_added(analysis, raw_cohort):
    present = {folder.name for folder in (analysis.work / "raw/unlabelled").iterdir()}
    (new,) = [f for f in (raw_cohort / "unlabelled").iterdir() if f.name not in present]
    shutil.copytree(new, analysis.work / "raw/unlabelled" / new.name)
    assert analysis.reruns() == RERUNS["an unlabelled patient added"]


def test_a_patient_excluded(analysis):
    settings(analysis, data={"exclude": {"2": "moved during the scan"}})
    assert analysis.reruns() == RERUNS["a patient excluded"]


MARGIN = dict.fromkeys(("cranial", "caudal", "anterior", "posterior", "left", "right"), 25)


@pytest.mark.parametrize(
    ("change", "section", "keys"),
    [
        ("a setting of `ingest`", "ingest", {"position_tolerance_mm": 0.2}),
        ("a setting of `cache`", "cache", {"margin_mm": MARGIN}),
        ("a setting of `train`", "train", {"seed": 77}),
        ("`infer.threshold` or `infer.smallest_lesion_ml`", "infer", {"threshold": 0.4}),
        ("`infer.threshold` or `infer.smallest_lesion_ml`", "infer", {"smallest_lesion_ml": 0.1}),
        ("`infer.review_dice`", "infer", {"review_dice": 0.6}),
        ("`evaluate.tolerances_mm`", "evaluate", {"tolerances_mm": [1, 2, 3, 5, 7]}),
        ("`evaluate.resamples`", "evaluate", {"resamples": 500}),
    ],
)
def test_a_setting(analysis, change, section, keys):
    settings(analysis, **{section: keys})
    assert analysis.reruns() == RERUNS[change]


def test_two_margins_swapped(analysis):
    margin = yaml.safe_load((analysis.work / "config.yaml").read_text(encoding="utf-8"))["cache"]["margin_mm"]
    assert margin["cranial"] != margin["caudal"]
    margin["cranial"], margin["caudal"] = margin["caudal"], margin["cranial"]
    settings(analysis, cache={"margin_mm": margin})
    assert analysis.reruns() == RERUNS["a setting of `cache`"]


def test_two_values_of_one_type_swapped(analysis):
    train = yaml.safe_load((analysis.project / "config.yaml").read_text(encoding="utf-8"))["train"]
    settings(analysis, train={"learning_rate": train["momentum"], "momentum": train["learning_rate"]})
    assert analysis.reruns() == RERUNS["a setting of `train`"]


@pytest.mark.parametrize(
    ("section", "reruns"),
    [
        # Rules of these stages take single keys: a new one concerns nobody until code reads it.
        ("evaluate", {}),
        ("infer", {}),
        ("folds", {}),
        # These take their section whole.
        ("train", RERUNS["a setting of `train`"]),
        ("cache", RERUNS["a setting of `cache`"]),
    ],
)
def test_a_new_key_with_a_default(analysis, section, reruns):
    analysis.edit("config.yaml", f"\n{section}:\n", f"\n{section}:\n  brand_new: 1\n")
    path = analysis.project / "workflow/schemas/config.schema.yaml"
    schema = yaml.safe_load(path.read_text(encoding="utf-8"))
    schema["properties"][section]["properties"]["brand_new"] = {"type": "integer"}
    path.write_text(yaml.safe_dump(schema, sort_keys=False), encoding="utf-8")
    assert analysis.reruns() == reruns


@pytest.mark.parametrize(
    ("change", "module"),
    [
        ("a module that only ingest imports", "ingest/raw_scan.py"),
        ("a module that only training imports", "train/fit.py"),
        ("a module that only evaluation imports", "evaluate/surface.py"),
    ],
)
def test_a_module_of_one_stage(analysis, change, module):
    # All other modules are in test_reruns_code.py.
    analysis.edit(f"workflow/lunggtv/{module}", "\nimport ", "\nEDITED = True\nimport ")
    assert analysis.reruns() == RERUNS[change]


def test_words_of_what_only_tells(analysis):
    for module, old in {
        "errors": "Mend the permissions", "job": "To make it again from its source", "locks": "Wait until it ends",
        "train/doubts": "Mend their files", "train/progress": "out of memory; going on", "version": "0.1.0",
    }.items():  # fmt: skip
        if module != "version":
            analysis.edit(f"workflow/lunggtv/{module}.py", old, f"{old} (in other words)")
    change = "a wording in `errors.py`, `job.py`, `locks.py` or training's `doubts.py` or `progress.py`"
    assert analysis.reruns() == RERUNS[change]


@pytest.mark.parametrize(("old", "new"), [("0.1.0", "0.1.1"), ('"LungGTV"', '"OtherGTV"')])
def test_another_name_or_version_of_ours_is_written_where_results_carry_it(analysis, old, new):
    analysis.edit("workflow/lunggtv/version.py", old, new)
    assert analysis.reruns() == all_jobs_of(["write_rtstruct"])


@pytest.mark.parametrize(
    ("change", "module", "old", "new"),
    [
        ("a colour of the crop's picture", "cache/crop_picture", "(240, 228, 66)", "(240, 228, 67)"),
        ("a colour of the patient's picture", "evaluate/overlay", '"black"', '"#111111"'),
        (
            "MONAI's version, or the code of its networks, where none of them is used",
            "model/monai_networks", "dsdepth=max(", "dsdepth=1 + max(",
        ),
        ("the order of a table's rows", "natural_order", "p.casefold()", "p"),
        ("a comparison's code, where nothing is compared", "evaluate/comparison", "\nfrom ", "\nEDITED = 1\nfrom "),
    ],
)  # fmt: skip
def test_what_concerns_few(analysis, change, module, old, new):
    analysis.edit(f"workflow/lunggtv/{module}.py", old, new)
    assert analysis.reruns() == RERUNS[change]


def test_monai_counts_where_one_of_its_networks_is_trained(analysis):
    card = "results/train/fold0/card.json"
    network = {"name": "dynunet", "width": 2, "max_width": 4, "blocks": [1]}
    settings(analysis, train={"network": network, "steps": 1, "snapshots": 1})
    analysis.run(card)
    assert analysis.reruns(card) == {}
    analysis.edit("workflow/lunggtv/model/monai_networks.py", "dsdepth=max(", "dsdepth=1 + max(")
    assert analysis.reruns(card) == {"train_fold": 1}


@pytest.mark.parametrize(
    ("lost", "repair"),
    [
        ("results/evaluate/1.json", RERUNS["a score (`results/evaluate/1.json`) deleted"]),
        ("results/evaluate/summary.json", AFTER_EVALUATION),
        ("results/evaluate/distributions.svg", AFTER_EVALUATION),
        ("results/infer/review.html", {"collect_reviews": 1, "describe_run": 1, "collect_timings": 1}),
        ("results/ingest/verdicts.tsv", all_from("collect_verdicts")),
        ("results/infer/2/gtv.nii.gz", RERUNS["a draft (`results/infer/2/gtv.nii.gz`) deleted"]),
        ("results/cache/3/volume.h5", RERUNS["a volume that everybody has already read deleted"]),
        ("results/ingest", all_from("ingest_patient")),
        ("results/cache", all_from("cache_patient")),
        ("results/train", all_from("train_fold")),
        ("results/infer", all_from("predict_patient")),
        ("results/evaluate", all_from("evaluate_patient")),
    ],
)
def test_lost_results(analysis, lost, repair):
    path = analysis.work / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert analysis.reruns() == repair


def test_the_plan_deleted(planned, tmp_path):
    # What else concerns it is in test_plan.py.
    analysis = planned.copied_to(tmp_path / "copy")
    (analysis.work / "results/plan.json").unlink()
    change = "the plan (`results/plan.json`) deleted, where a setting is `auto`"
    assert analysis.reruns() == RERUNS[change]


@pytest.mark.parametrize(
    ("target", "lost", "repair"),
    [
        ("infer", "results/train/fold0/curves.svg", {"picture_curves": 1}),
        ("infer", "results/folds.tsv", {"deal_folds": 1}),
        ("train", "results/cache/2/crop.png", {"picture_crop": 1}),
        ("evaluate", "results/infer/new1/gtv.png", {"picture_draft": 1}),
        ("cache", "results/ingest/admitted.txt", {"admit_cohort": 1}),
        ("train", "results/infer/review.tsv", {}),
    ],
)
def test_a_target_makes_all_that_was_made_on_the_way(analysis, target, lost, repair):
    (analysis.work / lost).unlink()
    assert analysis.reruns(target) == repair


@pytest.mark.parametrize(
    ("options", "reruns"),
    [
        (("-R", "train_fold", "--until", "train_fold"), all_jobs_of(["train_fold"])),
        (("-R", "cache_patient"), all_from("cache_patient")),
        (
            ("-R", "evaluate_patient", "--allowed-rules", "evaluate_patient"),
            all_jobs_of(["evaluate_patient"]),
        ),
        (("-R", "results/infer/2/gtv.nii.gz"), RERUNS["a draft (`results/infer/2/gtv.nii.gz`) deleted"]),
    ],
)
def test_a_stage_or_file_forced(finished, options, reruns):
    assert finished.reruns(*options) == reruns


def test_what_lost_records_of_snakemake_hide(analysis):
    """Without ``.snakemake`` file times alone decide, and Snakemake says so; ``--forceall`` makes all sure again."""
    shutil.rmtree(analysis.work / ".snakemake")
    settings(analysis, train={"seed": 77})
    done = analysis.run("--dry-run")
    assert "Nothing to be done" in done.stdout + done.stderr, "a changed setting goes unseen"
    assert "missing provenance/metadata" in done.stdout + done.stderr
    assert analysis.reruns("--forceall") == dict(sorted(JOBS.items()))


STAGES = {
    "ingest": "ingest_patient",
    "cache": "cache_patient",
    "train": "train_fold",
    "draft": "infer_patient",
    "score": "evaluate_patient",
    "statistics": "summarise_metrics",
    "pictures": "picture_patient",
}


def in_words(change: str, rule: str) -> str:
    """How the README says how many jobs of a stage run: none, one, those of all patients or folds, ..."""
    count = RERUNS[change].get(rule, 0)
    everything = JOBS[rule] + {"a labelled patient added at the end": 1, "a patient excluded": -1}.get(
        change, 0
    )
    if rule == "train_fold":
        return {0: "–", FOLDS - 1: "folds that train on it", FOLDS: "all"}[count]
    if rule == "picture_patient":
        drawn = sum(count for name, count in RERUNS[change].items() if name.startswith("picture_"))
        return {0: "–", 1: "one"}.get(drawn, "yes")
    if rule == "summarise_metrics":
        return {0: "–", 1: "yes"}[count]
    return {0: "–", 1: "one", everything: "all"}[count]


def test_the_table_of_the_readme_is_this_one():
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## If I change X, what reruns?")[2].partition("\n## ")[0]
    header, _, *rows = [line for line in section.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in header.strip("|").split("|")] == ["change", *STAGES]
    found = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows]
    assert found == [(change, *(in_words(change, rule) for rule in STAGES.values())) for change in RERUNS]


def test_every_row_is_tried_above():
    source = Path(__file__).read_text(encoding="utf-8").partition("\n}\n")[2]
    assert [change for change in RERUNS if f'"{change}"' not in source] == []
