"""What SLURM and Snakemake add to each job: the job's time in SLURM's record less that of the work itself.

    python bench/slurm_overhead.py WORKING_DIRECTORY

Run it where ``scontrol`` still knows the jobs of the latest run (``MinJobAge``). The work's time is that of the
benchmark files, which begin when the job's script starts.
"""

import argparse
import re
import subprocess
import sys
from collections import defaultdict
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from lunggtv.tables import read_tsv


def ended_jobs() -> dict[str, list[tuple[float, float]]]:
    """Seconds waited and seconds run of every completed job, by rule."""
    done = subprocess.run(["scontrol", "-o", "show", "job"], capture_output=True, text=True, check=True)
    found = defaultdict(list)
    for line in done.stdout.splitlines():
        job = dict(re.findall(r"(\S+?)=(\S*)", line))
        rule = re.search(r"rule_(.+?)(?:_wildcards_|$)", job.get("Comment", ""))
        if rule and job["JobState"] == "COMPLETED":
            submitted, started, ended = (
                datetime.fromisoformat(job[key]) for key in ("SubmitTime", "StartTime", "EndTime")
            )
            found[rule[1]].append(((started - submitted).total_seconds(), (ended - started).total_seconds()))
    return found


def work_seconds(folder: Path, rule: str) -> list[float]:
    """Seconds of the rule's jobs by their benchmark files."""
    paths = [*folder.glob(f"{rule}/*.tsv"), *folder.glob(f"{rule}.tsv")]
    return [float(row["s"]) for path in paths for row in read_tsv(path)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder / "benchmarks"
    print(
        "| rule | jobs | waited, s | in SLURM, s | the work, s | overhead, s |\n|---|---:|---:|---:|---:|---:|"
    )
    total, count = 0.0, 0
    for rule, times in sorted(ended_jobs().items()):
        work = work_seconds(folder, rule)
        waited, ran = (sum(column) / len(times) for column in zip(*times, strict=True))
        if work:
            overhead = ran - sum(work) / len(work)
            total, count = total + overhead * len(times), count + len(times)
            cells = f"{sum(work) / len(work):.1f} | {overhead:.1f}"
        else:
            cells = "not timed | "
        print(f"| {rule} | {len(times)} | {waited:.1f} | {ran:.1f} | {cells} |")
    print(f"\nOverhead of a job: {total / max(count, 1):.1f} s on average of {count} jobs.")


if __name__ == "__main__":
    main()
