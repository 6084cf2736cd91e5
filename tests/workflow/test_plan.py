"""Spacing and patch planned by the workflow: where the numbers arrive, and that the plan stands until it is deleted."""

import re
import shutil

import pytest
import yaml
from lunggtv.cache.geometry_proposal import propose_patch
from lunggtv.files import read_json, record_digest, write_json
from lunggtv.package.package_file import read_manifest
from lunggtv.spacing import propose_spacing
from lunggtv.tables import read_tsv
from lunggtv.volume import read_volume
from lungphantom.plan import DEMO, PhantomSettings, plan_cohort

from tests.conftest import FOLDS, LABELLED
from tests.workflow.engine import Analysis, new_analysis
from tests.workflow.expected import JOBS, PATIENTS, all_from, all_jobs_of
from tests.workflow.test_reruns import ADDED, MARGIN, RERUNS, settings, touch_all

PLAN = "results/plan.json"


@pytest.fixture
def copy(planned, tmp_path) -> Analysis:
    return planned.copied_to(tmp_path / "copy")


def results(analysis: Analysis, name: str):
    return read_json(analysis.work / "results" / name)


def test_the_plan_is_that_of_the_labelled_phantoms(planned):
    plans = plan_cohort(PhantomSettings(LABELLED + 1, 2, 1, DEMO, 3))[:LABELLED]
    spacing_mm = propose_spacing([plan.spacing_mm for plan in plans])
    middle = LABELLED // 2
    extent_mm = tuple(
        sorted(plan.shape[axis] * plan.spacing_mm[axis] for plan in plans)[middle] for axis in range(3)
    )
    plan = results(planned, "plan.json")
    assert (plan["spacing_mm"], plan["patients"], plan["given_spacing_mm"]) == (spacing_mm, LABELLED, None)
    assert plan["patch_shape"] == list(propose_patch(tuple(spacing_mm), extent_mm))
    assert plan["median_extent_mm"] == pytest.approx(extent_mm, abs=0.02)


def test_its_lines_are_told_on_the_terminal_and_in_the_log(planned):
    plan = results(planned, "plan.json")
    terminal = (planned.work.parent / "terminal.txt").read_text(encoding="utf-8")
    log = (planned.work / "logs/plan_geometry.log").read_text(encoding="utf-8")
    for text in (terminal, log):
        (spacing,) = re.findall(r"^  spacing_mm: .*# under cache$", text, re.MULTILINE)
        (patch,) = re.findall(r"^  patch_shape: .*# under train$", text, re.MULTILINE)
        assert yaml.safe_load(spacing) == {"spacing_mm": plan["spacing_mm"]}
        assert yaml.safe_load(patch) == {"patch_shape": plan["patch_shape"]}


def test_caches_models_and_the_report_s_first_page_have_its_numbers(planned):
    plan = results(planned, "plan.json")
    for patient in (*PATIENTS, "new1"):
        cached = read_volume(planned.work / f"results/cache/{patient}/volume.h5", "cache").grid.spacing_mm
        # An axis within a tenth of the plan keeps its own spacing.
        assert cached == pytest.approx(plan["spacing_mm"], rel=0.1)
    for fold in range(FOLDS):
        card = results(planned, f"train/fold{fold}/card.json")
        assert card["config"]["patch_shape"] == plan["patch_shape"] == card["architecture"]["patch_shape"]
    spacing = " x ".join(f"{mm:g}" for mm in plan["spacing_mm"])
    page = (planned.work / "results/landing.rst").read_text(encoding="utf-8")
    assert f"voxels of {spacing} mm (z, y, x; ``results/plan.json``)" in page
    assert "plan" not in read_tsv(planned.work / "results/cache/crops.tsv")[0]


def test_a_package_brings_the_numbers_and_plans_nothing(copy, tmp_path):
    copy.run("package")
    manifest = read_manifest(copy.work / "results/package.zip")
    assert manifest["settings"]["cache"]["spacing_mm"] == results(copy, "plan.json")["spacing_mm"]
    there = new_analysis(tmp_path / "there")
    shutil.copytree(copy.work / "raw/unlabelled", there.work / "raw/unlabelled")
    shutil.copy(copy.work / "results/package.zip", there.work / "models.zip")
    (there.work / "config.yaml").write_text(
        "model: models.zip\ndata: {labelled: null, unlabelled: raw/unlabelled}\n"
    )
    planned_there = there.reruns()
    assert planned_there["cache_patient"] == 1 and "plan_geometry" not in planned_there


def test_nothing_moves_while_nothing_changes(copy):
    assert copy.reruns() == {}
    touch_all(copy.work)
    assert copy.reruns() == {}
    assert copy.reruns("--forceall") == dict(sorted(JOBS.items())), "it stands even then"


def test_a_labelled_patient_added_moves_what_it_moves_without_a_plan(copy, raw_cohort):
    shutil.copytree(raw_cohort / "labelled" / ADDED, copy.work / "raw/labelled" / ADDED)
    assert copy.reruns() == RERUNS["a labelled patient added at the end"]
    # With an ancient input Snakemake would now leave all other caches as they are.
    settings(copy, cache={"margin_mm": MARGIN})
    assert copy.reruns()["cache_patient"] == JOBS["cache_patient"] + 1


def test_a_patient_excluded_moves_what_it_moves_without_a_plan(copy):
    settings(copy, data={"exclude": {"2": "moved during the scan"}})
    assert copy.reruns() == RERUNS["a patient excluded"]


def test_other_code_of_planning_makes_no_plan_anew(copy):
    module = "workflow/lunggtv/cache/geometry_proposal.py"
    copy.edit(module, "PATCH_VOXELS = 48 * 160 * 192", "PATCH_VOXELS = 8 * 16 * 16")
    assert copy.reruns() == all_jobs_of(["collect_crops"])


def test_a_plan_with_other_values_makes_all_caches_and_what_follows(copy):
    change(copy, patch_shape=[8, 16, 16])
    assert copy.reruns() == all_from("cache_patient")


def change(analysis: Analysis, **numbers) -> None:
    """A plan as if it had been made with other numbers."""
    write_json(analysis.work / PLAN, results(analysis, "plan.json") | numbers)
    # The digest stands beside it under the path that the job had.
    (analysis.work / "results/.plan.json.sha256").unlink()
    record_digest(analysis.work / PLAN)


def test_a_plan_deleted_and_made_again_alone_moves_nothing(copy):
    before = (copy.work / PLAN).read_bytes()
    (copy.work / PLAN).unlink()
    copy.run(PLAN)
    assert (copy.work / PLAN).read_bytes() == before
    assert copy.reruns() == {}


def test_a_plan_asked_for_by_name_is_there(planned):
    assert planned.reruns(PLAN) == {}
    assert planned.reruns("-R", "plan_geometry", "--until", "plan_geometry") == {"plan_geometry": 1}
    assert planned.reruns("--forcerun", PLAN) == {"plan_geometry": 1, **all_from("cache_patient")}


def test_all_output_that_is_deleted_includes_the_plan(planned):
    told = planned.run("--delete-all-output", "--dry-run")
    assert f"Would delete {PLAN}\n" in told.stdout + told.stderr


def test_a_plan_asked_for_by_name_is_that_of_today(copy, raw_cohort):
    shutil.copytree(raw_cohort / "labelled" / ADDED, copy.work / "raw/labelled" / ADDED)
    assert copy.reruns(PLAN) == {"ingest_patient": 1, "collect_verdicts": 1, "plan_geometry": 1}


def restored(analysis: Analysis) -> bool:
    """Make the models again; whether all are restored and none is trained."""
    analysis.run("--until", "train_fold")
    logs = [(analysis.work / f"logs/train_fold/{n}.log").read_text(encoding="utf-8") for n in range(FOLDS)]
    return all("finished before with the same content; restored" in log for log in logs)


def test_the_same_values_in_one_run_cost_the_caches_and_train_nothing(copy):
    (copy.work / PLAN).unlink()
    assert restored(copy)


def test_the_lines_in_config_yaml_need_no_plan_and_train_nothing(copy):
    plan = results(copy, "plan.json")
    settings(copy, cache={"spacing_mm": plan["spacing_mm"]})
    assert "plan_geometry" not in copy.reruns(), "the patch is still the plan's"
    settings(copy, train={"patch_shape": plan["patch_shape"]})
    (copy.work / PLAN).unlink()
    assert copy.reruns() == all_from("cache_patient")
    assert restored(copy)


def test_a_patch_is_planned_anew_for_a_given_spacing(copy):
    settings(copy, cache={"spacing_mm": [6.25, 6.4, 6.4]})
    assert copy.reruns() == {"plan_geometry": 1, **all_from("cache_patient")}


def test_a_patch_alone_moves_no_cache(analysis):
    settings(analysis, train={"patch_shape": "auto"})
    assert analysis.reruns() == dict(
        sorted({"plan_geometry": 1, "collect_crops": 1, **all_from("train_fold")}.items())
    )


def test_what_today_s_patients_would_propose_is_told_with_the_crops(copy):
    change(copy, spacing_mm=[3.0, 1.0, 1.0])
    copy.run("results/cache/crops.html", "--allowed-rules", "collect_crops", "--force")
    page = (copy.work / "results/cache/crops.html").read_text(encoding="utf-8")
    log = (copy.work / "logs/collect_crops.log").read_text(encoding="utf-8")
    for text in (page.replace("&#x27;", "'"), log):
        assert "results/plan.json says 3 x 1 x 1 mm" in text
        assert "delete results/plan.json to plan anew" in text
    rows = read_tsv(copy.work / "results/cache/crops.tsv")
    assert {row["plan"] for row in rows} == {"differs from today's proposal"}


def test_a_plan_that_somebody_edited_is_refused_and_made_again_by_the_command_told(copy):
    path = copy.work / PLAN
    path.write_text(path.read_text(encoding="utf-8").replace("6.25", "5.25"), encoding="utf-8")
    done = copy.run("results/cache/1/volume.h5", check=False)
    words = done.stdout + done.stderr
    assert done.returncode != 0 and f"Not as the workflow wrote it: {PLAN}." in words
    (command,) = set(re.findall(r"snakemake --cores 4 (--forcerun \S+)", words))
    assert copy.reruns(*command.split())["plan_geometry"] == 1
    copy.run(PLAN, *command.split())
    assert "6.25" in path.read_text(encoding="utf-8")


def test_nobody_to_plan_from_ends_with_what_to_do(tmp_path):
    analysis = new_analysis(tmp_path)
    (analysis.work / "raw/labelled/7").mkdir(parents=True)
    (analysis.work / "raw/labelled/7/data.nii.gz").write_bytes(b"torn")
    done = analysis.run("cache", check=False)
    words = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in words
    assert "Nothing to plan from: cache.spacing_mm or train.patch_shape is auto" in words
    assert "1 of 1 patients are rejected" in words, "and the patient is named with the reason"
    assert not (analysis.work / PLAN).exists()
