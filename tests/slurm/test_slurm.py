"""The whole workflow through a real SLURM: same bytes, jobs with the memory they ask for, patients as arrays."""

import re
import shutil

import pytest

from tests.workflow.engine import Analysis

GPU_RULES = {"train_fold", "validate_fold", "predict_patient"}


@pytest.fixture(scope="module")
def submitted(cluster, finished, tmp_path_factory) -> tuple[Analysis, list[dict[str, str]]]:
    """The tiny cohort run again from its raw data through the cluster, and SLURM's own records of it."""
    analysis = finished.copied_to(tmp_path_factory.mktemp("slurm") / "copy")
    for name in ("results", "logs", "benchmarks", "train_state", ".snakemake"):
        shutil.rmtree(analysis.work / name)
    analysis.run(
        "--workflow-profile", str(analysis.project / "profiles/slurm"), "--slurm-status-command", "squeue",
        "--slurm-init-seconds-before-status-checks", "2", "--default-resources", "slurm_account=test",
        "mem_mb=500", "--set-resources", *(f"{rule}:mem_mb=1000" for rule in sorted(GPU_RULES)),
        "--latency-wait", "5", timeout=900,
    )  # fmt: skip
    lines = cluster.read_text(encoding="utf-8").splitlines()
    return analysis, [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines]


def test_the_results_are_those_of_a_run_without_a_cluster(submitted, finished):
    analysis, _ = submitted
    assert analysis.differs_from(finished) == []
    assert analysis.reruns() == {}


def test_every_job_completed_on_the_cluster(submitted):
    _, jobs = submitted
    assert jobs
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}


def test_memory_is_what_the_rules_ask_for_and_patients_go_as_arrays(submitted):
    _, jobs = submitted
    # Three folds trained and validated, six patients predicted; the rules that ask for a GPU.
    assert sum("mem=1000M" in job["Tres"] for job in jobs) == 3 + 3 + 6
    assert sum("ArrayJobId" in job for job in jobs) >= 12, "ingest and cache of six patients"
