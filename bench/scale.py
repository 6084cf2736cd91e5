"""What many patients cost Snakemake and our Snakefile: parsing, planning, doing nothing, and each job's overhead.

The raw files hold one byte. The finished state is made by ``snakemake --touch`` over place-holder files: it
records every job as a real run would, without running it. Prints Markdown.

    python bench/scale.py --patients 100 1000
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
STEPS = (
    ("parse", "Snakefile alone (`--list-rules`)"),
    ("plan", "dry run from nothing"),
    ("touch", "every job recorded (`--touch --forceall`)"),
    ("nothing", "run with nothing to do"),
    ("one", "dry run after one label has changed"),
)


@dataclass(frozen=True)
class Cost:
    """Of one command."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    output: str


def snakemake(work: Path, *arguments: str) -> Cost:
    """Run Snakemake in ``work`` and measure it; it must succeed."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), "--cores", "1"]
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [*command, *arguments], cwd=work, stdout=output, stderr=subprocess.STDOUT, text=True
        )
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


def make_placeholders(work: Path) -> int:
    """An old file for every output that Snakemake lists; their number."""
    listed = snakemake(work, "--summary").output.splitlines()
    paths = [line.split("\t")[0] for line in listed if line.startswith("results/")]
    for path in paths:
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(b"x")
    return len(paths)


def measure(work: Path, patients: int) -> dict[str, Cost]:
    """All steps for one cohort, in order."""
    make_raw(work, patients)
    costs = {
        "parse": snakemake(work, "--list-rules"),
        "plan": snakemake(work, "--dry-run", "--quiet", "rules"),
    }
    make_placeholders(work)
    costs["touch"] = snakemake(work, "--touch", "--forceall", "--quiet", "all")
    costs["nothing"] = snakemake(work)
    if "Nothing to be done" not in costs["nothing"].output:
        raise SystemExit(costs["nothing"].output)
    (work / "raw/labelled/1/label.nii.gz").write_bytes(b"y")
    costs["one"] = snakemake(work, "--dry-run", "--quiet", "rules")
    return costs


def jobs_of(plan: Cost) -> int:
    """Number of jobs that a dry run lists, the target among them."""
    (total,) = [line.split()[1] for line in plan.output.splitlines() if line.startswith("total ")][:1]
    return int(total)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, nargs="+", default=[50, 100, 1000])
    parser.add_argument("--plan-only", action="store_true", help="parse and dry run, no finished state")
    options = parser.parse_args()
    print("| patients | jobs | what | wall s | CPU s | CPU ms a job | peak memory MB |")
    print("|---|---|---|---|---|---|---|")
    for patients in options.patients:
        work = Path(tempfile.mkdtemp())
        try:
            if options.plan_only:
                make_raw(work, patients)
                costs = {
                    "parse": snakemake(work, "--list-rules"),
                    "plan": snakemake(work, "--dry-run", "--quiet", "rules"),
                }
            else:
                costs = measure(work, patients)
        finally:
            shutil.rmtree(work)
        jobs = jobs_of(costs["plan"])
        for step, words in STEPS:
            if step in costs:
                cost = costs[step]
                print(
                    f"| {patients:,} | {jobs:,} | {words} | {cost.wall_s:.1f} | {cost.cpu_s:.1f} "
                    f"| {1000 * cost.cpu_s / jobs:.1f} | {cost.memory_mb:.0f} |",
                    flush=True,
                )
    print(
        f"\n{os.cpu_count()} cores of {platform.machine()}, Python {platform.python_version()}, "
        f"Snakemake {metadata.version('snakemake')}."
    )


if __name__ == "__main__":
    main()
