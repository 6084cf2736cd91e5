"""LungGTV as a module of another workflow, which keeps its own target, settings and jobs."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from lunggtv.files import read_json
from lunggtv.spacing import numbers_of, propose_spacing
from lunggtv.tables import read_tsv

from tests.conftest import SETTINGS
from tests.workflow.engine import PROJECT, Analysis, job_counts

LABELLED = ("1", "2", "3")
CALLER = f"""
configfile: "study.yaml"


rule all:
    input:
        "verdicts.tsv",


module lunggtv:
    snakefile:
        "{PROJECT}/workflow/Snakefile"
    config:
        config["lunggtv"]


use rule * from lunggtv as lunggtv_*


assert "model" not in config["lunggtv"], "the user's own settings are left as they are"


onstart:
    lunggtv.onstart()


onsuccess:
    lunggtv.onsuccess()


rule verdicts:
    input:
        "results/ingest/verdicts.tsv",
    output:
        "verdicts.tsv",
    shell:
        "cp {{input}} {{output}}"


rule no_patient:
    output:
        touch("no_patient.txt"),
"""


def caller_in(folder: Path, settings: dict) -> Analysis:
    """A workflow that has LungGTV as a module, with the settings for it in a section of its own."""
    caller = Analysis(folder / "caller", folder / "work")
    for path in (caller.project, caller.work):
        path.mkdir()
    (caller.project / "Snakefile").write_text(CALLER)
    (caller.work / "study.yaml").write_text(json.dumps({"lunggtv": settings, "other": 1}))
    return caller


@pytest.fixture(scope="module")
def caller(tmp_path_factory, raw_cohort) -> Analysis:
    """Run to its own end, which needs the verdicts alone, with other packages of our names installed."""
    folder = tmp_path_factory.mktemp("module")
    for patient in LABELLED:
        shutil.copytree(raw_cohort / "labelled" / patient, folder / "raw" / patient)
    settings = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    # As shipped: auto.
    del settings["cache"]["spacing_mm"], settings["train"]["patch_shape"]
    caller = caller_in(folder, settings | {"data": {"labelled": str(folder / "raw")}})
    for package in ("lunggtv", "lungphantom"):
        (folder / "installed" / package).mkdir(parents=True)
        (folder / "installed" / package / "__init__.py").write_text("raise ImportError('not the clone')")
    caller.run(env=os.environ | {"PYTHONPATH": str(folder / "installed")})
    return caller


def test_its_jobs_run_the_code_of_the_clone_and_its_target_is_its_own(caller):
    rows = read_tsv(caller.work / "verdicts.tsv")
    assert [row["patient"] for row in rows] == list(LABELLED)
    assert {row["verdict"] for row in rows} <= {"accepted", "warned"}
    assert not (caller.work / "results/cache").exists()


def test_the_report_is_made_by_the_handler_that_it_calls(caller):
    page = (caller.work / "results/report.html").read_text(encoding="utf-8")
    assert "verdict on every patient" in page
    assert "has not come as far as drafts yet" in page


def test_everything_is_planned_with_shipped_settings_where_none_are_given(caller):
    counts = caller.reruns("lunggtv_all")
    # What was ingested is not ingested again.
    assert "lunggtv_ingest_patient" not in counts
    assert counts["lunggtv_cache_patient"] == counts["lunggtv_evaluate_patient"] == len(LABELLED)
    assert counts["lunggtv_train_fold"] == 3
    assert counts["lunggtv_plan_geometry"] == 1


def test_spacing_and_patch_are_planned_once_and_stand(caller, tmp_path):
    copy = caller.copied_to(tmp_path / "copy")
    copy.run("lunggtv_plan_geometry")
    spacing_mm = read_json(copy.work / "results/plan.json")["spacing_mm"]
    assert spacing_mm == propose_spacing(
        [numbers_of(row["spacing_mm"]) for row in read_tsv(copy.work / "verdicts.tsv")]
    )
    counts = copy.reruns("lunggtv_all")
    assert counts["lunggtv_cache_patient"] == len(LABELLED) and "lunggtv_plan_geometry" not in counts
    forced = ("--forcerun", "results/plan.json", "--until", "lunggtv_plan_geometry")
    assert copy.reruns("lunggtv_all", *forced) == {"lunggtv_plan_geometry": 1}


def test_a_finished_run_is_finished(caller):
    assert caller.reruns() == {}


def test_rules_of_one_target_keep_their_names_without_a_prefix(caller, tmp_path):
    other = Analysis(tmp_path, caller.work)
    text = CALLER[: CALLER.index("assert")].replace(" as lunggtv_*", "")
    text = text.replace(text[text.index("rule all") : text.index("module")], "")
    (tmp_path / "Snakefile").write_text(text)
    counts = job_counts(other.run("--dry-run", "--quiet", "rules").stdout)
    assert counts["cache_patient"] == len(LABELLED), "its first rule is the target of a workflow without one"


def test_without_patients_the_others_go_on(tmp_path):
    caller = caller_in(tmp_path, {"data": {"labelled": str(tmp_path / "nowhere")}})
    caller.run("no_patient")
    assert (caller.work / "no_patient.txt").exists()
    refused = caller.run("--dry-run", check=False)
    assert refused.returncode != 0
    assert (
        f"The data folder {tmp_path}/nowhere is not there. Put each patient there"
        in refused.stdout + refused.stderr
    )


def test_its_settings_are_checked(tmp_path):
    caller = caller_in(tmp_path, {"cache": {"margin_m": 3}})
    refused = caller.run("--dry-run", "no_patient", check=False)
    assert refused.returncode != 0
    assert "cache.margin_m: no such key; did you mean cache.margin_mm?" in refused.stdout + refused.stderr
