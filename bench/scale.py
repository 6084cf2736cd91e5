"""What many patients cost Snakemake and our Snakefile: parsing, planning, doing nothing, and each job's overhead.

    python bench/scale.py prepare FOLDER --patients 100 1000      # takes minutes, nothing is timed but jobs
    python bench/scale.py measure FOLDER --patients 100 1000
    python bench/scale.py plan --patients 10000                   # parsing and planning alone

The raw files hold one byte. The finished state is made by ``snakemake --touch`` over place-holder files: it
records every job as a real run would, without running it. Up to 100 patients, the ingest jobs are run too: what
remains of a job when its work takes no time. Prints Markdown.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).parents[1]
LARGEST_RUN = 100
# Snakemake waits 0.1 s after every touched job.
TOUCH = (
    "from snakemake.executors.touch import Executor; Executor.SLEEPING_TIME = 0;"
    "from snakemake.cli import main; main()"
)


@dataclass(frozen=True)
class Cost:
    """Of one command, with its subprocesses."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    output: str


def snakemake(work: Path, *arguments: str, start: tuple[str, ...] = ("-m", "snakemake")) -> Cost:
    """Run Snakemake in ``work`` and measure it; it must succeed."""
    command = [sys.executable, *start, "--snakefile", str(PROJECT / "Snakefile"), "--cores", "1", *arguments]
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=work, stdout=output, stderr=subprocess.STDOUT, text=True)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        output.seek(0)
        text = output.read()
    if status:
        raise SystemExit(text)
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def make_raw(work: Path, patients: int) -> None:
    """Folders that look like patients, until somebody reads a file."""
    for number in range(1, patients + 1):
        folder = work / "raw/labelled" / str(number)
        folder.mkdir(parents=True)
        for name in ("data.nii.gz", "label.nii.gz"):
            (folder / name).write_bytes(b"x")


def dry_run(work: Path) -> Cost:
    return snakemake(work, "--dry-run", "--quiet", "rules")


def jobs_of(plan: Cost) -> int:
    """Number of jobs that a dry run lists, the target among them."""
    return next(int(line.split()[1]) for line in plan.output.splitlines() if line.startswith("total "))


def prepare(work: Path, patients: int) -> None:
    """Make the finished state; on the way, for few patients, measure real jobs."""
    make_raw(work, patients)
    if patients <= LARGEST_RUN:
        show(patients, patients, "ingest jobs, each refusing a file of one byte", ingest(work))
        shutil.rmtree(work / "results")
    listed = snakemake(work, "--summary").output.splitlines()
    for path in [line.split("\t")[0] for line in listed if line.startswith("results/")]:
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(b"x")
    snakemake(work, "--touch", "--forceall", "--quiet", "all", start=("-c", TOUCH))


def ingest(work: Path) -> Cost:
    return snakemake(work, "--until", "ingest_patient")


def measure(work: Path, patients: int) -> None:
    """All steps on a finished state, and the plan from nothing beside it."""
    plan(patients)
    idle = snakemake(work)
    if "Nothing to be done" not in idle.output:
        raise SystemExit(idle.output)
    show(patients, 0, "run with nothing to do", idle)
    label = work / "raw/labelled/1/label.nii.gz"
    label.write_bytes(b"y")
    changed = dry_run(work)
    label.write_bytes(b"x")
    show(patients, jobs_of(changed), "dry run after one label has changed", changed)


def plan(patients: int) -> None:
    """Parsing and planning, from raw data alone."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        make_raw(work, patients)
        show(patients, 0, "Snakefile parsed (`--list-rules`)", snakemake(work, "--list-rules"))
        from_nothing = dry_run(work)
        show(patients, jobs_of(from_nothing), "dry run from nothing", from_nothing)


def show(patients: int, jobs: int, what: str, cost: Cost) -> None:
    each = f"{1000 * cost.cpu_s / jobs:.1f}" if jobs else ""
    print(
        f"| {patients:,} | {what} | {f'{jobs:,}' if jobs else ''} | {cost.wall_s:.1f} | {cost.cpu_s:.1f} | {each} "
        f"| {cost.memory_mb:.0f} |".replace("|  |", "| |"),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("prepare", "measure", "plan"))
    parser.add_argument("folder", type=Path, nargs="?", help="where the finished states lie")
    parser.add_argument("--patients", type=int, nargs="+", default=[50, 100, 1000])
    options = parser.parse_args()
    print("| patients | what | jobs | wall s | CPU s | CPU ms a job | peak memory MB |")
    print("|---|---|---|---|---|---|---|")
    for patients in options.patients:
        if options.step == "plan":
            plan(patients)
        else:
            {"prepare": prepare, "measure": measure}[options.step](options.folder / str(patients), patients)
    print(
        f"\n{os.cpu_count()} cores of {platform.machine()}, Python {platform.python_version()}, "
        f"Snakemake {metadata.version('snakemake')}."
    )


if __name__ == "__main__":
    main()
