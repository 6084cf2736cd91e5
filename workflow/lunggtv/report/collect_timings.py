"""What the jobs of a run cost: Snakemake's benchmark files, gathered rule by rule."""

from collections.abc import Sequence
from pathlib import Path

from lunggtv.tables import read_tsv, write_tsv

COLUMNS = ("rule", "jobs", "mean_s", "longest_s", "cpu_s", "largest_memory_mb")


def collect_timings(folder: str | Path, table_path: str | Path) -> None:
    """Write one row a rule, the most expensive first.

    Args:
        folder: ``benchmarks``, with ``<rule>/<job>.tsv`` or ``<rule>.tsv`` of the latest run of each job.
        table_path: columns ``COLUMNS``: number of jobs, wall time in s (mean, longest), CPU time of all jobs
            in s, largest resident memory of a job in MB.
    """
    rules: dict[str, list[dict[str, str]]] = {}
    for path in sorted(Path(folder).rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        rules.setdefault(rule, []).extend(read_tsv(path))
    rows = [_row(rule, jobs) for rule, jobs in rules.items()]
    rows.sort(key=lambda row: -row[4])
    write_tsv(table_path, COLUMNS, rows)


def _row(rule: str, jobs: Sequence[dict[str, str]]) -> list:
    seconds = [_number(job["s"]) for job in jobs]
    cpu_s = sum(_number(job["cpu_time"]) for job in jobs)
    memory_mb = max(_number(job["max_rss"]) for job in jobs)
    return [
        rule,
        len(jobs),
        round(sum(seconds) / len(jobs), 1),
        round(max(seconds), 1),
        round(cpu_s, 1),
        round(memory_mb),
    ]


def _number(cell: str) -> float:
    """A cell of a benchmark table; jobs too short to be measured have NA or a dash."""
    try:
        return float(cell)
    except ValueError:
        return 0.0
