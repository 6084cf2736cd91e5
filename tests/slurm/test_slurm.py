"""The workflow through a real SLURM: same bytes, what each rule asks for, and what goes wrong on clusters."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import yaml

from tests.faults.chaos import PATIENCE_S, Run, differences, start

# What each rule asks for: memory in MB, minutes, GPUs.
REQUESTS = {
    "ingest_patient": (1500, 20, 0), "cache_patient": (1500, 20, 0), "train_fold": (8000, 720, 1),
    "validate_fold": (8000, 120, 1), "predict_patient": (6000, 30, 1), "calibrate_drafts": (4000, 60, 0),
    "infer_patient": (2000, 20, 0), "write_rtstruct": (2000, 20, 0), "evaluate_patient": (2000, 20, 0),
    "picture_draft": (2000, 20, 0), "summarise_metrics": (2000, 20, 0), "picture_crop": (1500, 20, 0),
    "picture_patient": (2000, 20, 0), "picture_samples": (2000, 20, 0),
}  # fmt: skip
# Patients of these become ready in one moment; of the other rules in arrays, one after the other.
READY_AT_ONCE = {"ingest_patient", "infer_patient"}
ARRAY_EXTRA_MB = 50  # what the executor adds to an array for the commands it passes


def options(analysis) -> list[str]:
    """Submission by the shipped profile, looked after more often than on a real cluster."""
    return [
        "--workflow-profile", str(analysis.project / "profiles/slurm"), "--slurm-status-command", "squeue",
        "--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5",
        "--default-resources", "slurm_account=test", "mem_mb=2000", "runtime=20",
    ]  # fmt: skip


class Devices(threading.Thread):
    """Watches which GPUs the processes of jobs are told to use, and which are in use at once."""

    def __init__(self, run: Run) -> None:
        super().__init__(daemon=True)
        self.run_of = run
        self.over = threading.Event()
        self.seen: dict[int, tuple[str, str | None]] = {}
        self.shared = False

    def run(self) -> None:
        while not self.over.wait(0.1):
            # By job, not by process: importing torch starts ``uname``, and until that is another program it looks
            # like a second process of the same job.
            now = {}
            for pid, rule in self.run_of.jobs().items():
                try:
                    words = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace").split("\0")
                except OSError:
                    continue
                told = dict(word.split("=", 1) for word in words if "=" in word)
                device = told.get("CUDA_VISIBLE_DEVICES")
                self.seen[pid] = (rule, device)
                if device is not None:
                    now[told["SLURM_JOB_ID"]] = device
            self.shared |= len(now) != len(set(now.values()))


@pytest.fixture(scope="module")
def submitted(cluster, planned, tmp_path_factory):
    """The tiny cohort from its raw data through the cluster, cancelled once on the way; with what was seen. Jobs read
    the plan that was made while they were submitted."""
    analysis = planned.copied_to(tmp_path_factory.mktemp("slurm") / "copy")
    for name in ("results", "logs", "benchmarks", "train_state", ".snakemake"):
        shutil.rmtree(analysis.work / name)
    run = start(analysis, *options(analysis))
    assert run.wait_for_job("cache_patient")
    run.kill("ctrl-c")
    left = cluster.waiting_or_running()
    finish(start(analysis, "cache", *options(analysis)))
    # However slow the machine is, folds that start together find both devices free.
    with cluster.holding("train_fold", 2):
        run = start(analysis, "train", *options(analysis))
        devices = Devices(run)
        devices.start()
    finish(run)
    finish(start(analysis, *options(analysis)))
    devices.over.set()
    devices.join()
    return analysis, cluster.jobs(), devices, left


def finish(run: Run) -> None:
    """Wait for a run that is to succeed."""
    assert run.process.wait(timeout=900) == 0, (run.analysis.work / "killed.out").read_text()[-5000:]


def test_a_cancelled_run_leaves_no_jobs_and_goes_on_to_the_same_results(submitted, planned):
    analysis, _, _, left = submitted
    assert left == []
    assert differences(analysis, planned) == []
    assert analysis.reruns() == {}


def test_each_rule_asks_for_its_memory_time_and_gpu(submitted):
    jobs = submitted[1]
    assert {job["rule"] for job in jobs} == set(REQUESTS), "nothing else is worth a job"
    for job in jobs:
        memory_mb, minutes, gpus = REQUESTS[job["rule"]]
        assert 0 <= megabytes(job["MinMemoryNode"]) - memory_mb <= ARRAY_EXTRA_MB, job
        assert minutes_of(job["TimeLimit"]) == minutes, job
        assert job.get("TresPerJob", "") == ("gres:gpu:1" if gpus else ""), job
        assert job["NumCPUs"] == "1", job


def test_patients_go_as_arrays(submitted):
    profile = yaml.safe_load(
        (submitted[0].project / "profiles/slurm/profile.yaml").read_text(encoding="utf-8")
    )
    listed = set(profile["slurm-array-jobs"].split(","))
    assert listed == {rule for rule in REQUESTS if rule.endswith("_patient")} - {"predict_patient"} | {
        "picture_crop",
        "picture_draft",
    }
    arrays = {job["rule"] for job in submitted[1] if "ArrayJobId" in job}
    assert READY_AT_ONCE <= arrays <= listed


def test_jobs_compute_on_the_device_that_slurm_gave_them(submitted):
    devices = submitted[2]
    told = {
        rule: {device for r, device in devices.seen.values() if r == rule}
        for rule, _ in devices.seen.values()
    }
    for rule, seen in told.items():
        if REQUESTS.get(rule, (0, 0, 0))[2]:
            assert seen <= {"0", "1"}, (rule, seen)
        else:
            assert not seen & {"0", "1"}, (rule, seen)
    assert told["train_fold"] == {"0", "1"}, "folds run side by side on two devices"
    assert not devices.shared


def test_a_training_killed_for_memory_gets_more_and_one_preempted_goes_on(cluster, planned, tmp_path):
    analysis = planned.copied_to(tmp_path / "copy")
    config = yaml.safe_load((analysis.work / "config.yaml").read_text(encoding="utf-8"))
    config["train"] |= {"steps": 600, "patch_shape": [8, 16, 16]}
    (analysis.work / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    before = {job["JobId"] for job in cluster.jobs()}
    target = "results/train/fold0/weights.safetensors"
    run = start(analysis, target, *options(analysis))

    def mine():
        jobs = [job for job in cluster.jobs() if job["JobId"] not in before]
        return sorted(jobs, key=lambda job: int(job["JobId"]))

    # As the kernel does it when memory is short: no time for a last word.
    assert run.wait_for_job("train_fold")
    os.kill(next(iter(run.jobs())), signal.SIGKILL)
    wait_until(lambda: len(mine()) == 2)
    # Then a job of higher rank takes its place.
    log = analysis.work / "logs/train_fold/0.log"
    wait_until(lambda: log.is_file() and "fold 0: step" in log.read_text(encoding="utf-8"))
    second = mine()[1]["JobId"]
    subprocess.run(["scontrol", "requeue", second], check=True)
    wait_until(lambda: cluster_state(mine(), second) == "PENDING")
    subprocess.run(["scontrol", "update", f"JobId={second}", "StartTime=now"], check=True)
    assert run.process.wait(timeout=PATIENCE_S) == 0, (analysis.work / "killed.out").read_text()[-5000:]

    killed, preempted = mine()
    assert killed["JobState"] == "FAILED" and preempted["JobState"] == "COMPLETED"
    assert megabytes(preempted["MinMemoryNode"]) == 2 * megabytes(killed["MinMemoryNode"]) == 16000
    assert preempted["Restarts"] == "1"
    resumed = re.search(r"fold 0: resumed at step (\d+) of 600", log.read_text(encoding="utf-8"))
    assert resumed and int(resumed[1]) > 0, log.read_text(encoding="utf-8")


def cluster_state(jobs, job_id):
    return next(job["JobState"] for job in jobs if job["JobId"] == job_id)


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def megabytes(text):
    """SLURM writes 1500M and 8000M, but 8G where it comes out even."""
    number, unit = re.fullmatch(r"([\d.]+)([MG])", text).groups()
    return round(float(number) * (1024 if unit == "G" else 1))


def minutes_of(text):
    """Minutes of ``[days-]hours:minutes:seconds``."""
    days, _, rest = text.rpartition("-")
    hours, minutes, _ = map(int, rest.split(":"))
    return int(days or 0) * 1440 + hours * 60 + minutes
