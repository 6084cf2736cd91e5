"""Runs Snakemake on a copy of the project, as a user would, and reads what it would do."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
# The timings of jobs; and the report, which shows them with the hour at which each file was made.
OF_THE_MOMENT = ("results/report.html", "results/timings.tsv", "results/timings.html")
SOURCES = ("Snakefile", "config.yaml", "workflow", "profiles", "envs")


@dataclass(frozen=True)
class Analysis:
    """A copy of the project's sources, and a working directory with raw data and results."""

    project: Path
    work: Path

    def run(
        self, *arguments: str, check: bool = True, env: Mapping[str, str] = os.environ, **options
    ) -> subprocess.CompletedProcess:
        """Run ``snakemake`` with the arguments; by default it must succeed."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", self.project / "Snakefile"]
        command += ["--directory", self.work, *arguments]
        if "--cores" not in arguments:
            command += ["--cores", "2"]
        environment = {**env, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, cwd=self.project, env=environment, capture_output=True, text=True, check=False, **options
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command}\n{done.stdout}\n{done.stderr}")
        return done

    def reruns(self, *arguments: str, **options) -> dict[str, int]:
        """What a dry run would do: number of jobs of each rule, targets not counted."""
        done = self.run(*arguments, "--dry-run", "--quiet", "rules", **options)
        return job_counts(done.stdout + done.stderr)

    def results(self) -> dict[str, bytes]:
        """Every result by its path, without those of the moment and without the digests beside them all."""
        paths = (path for path in (self.work / "results").rglob("*") if path.is_file())
        named = {path.relative_to(self.work).as_posix(): path for path in paths if path.suffix != ".sha256"}
        return {name: path.read_bytes() for name, path in sorted(named.items()) if name not in OF_THE_MOMENT}

    def differs_from(self, other: "Analysis") -> list[str]:
        """Results that only one of the two has, or that have other bytes."""
        ours, theirs = self.results(), other.results()
        return [name for name in sorted(ours | theirs) if ours.get(name) != theirs.get(name)]

    def copied_to(self, folder: Path) -> "Analysis":
        """The same sources and results elsewhere, times and Snakemake's records included."""
        folder.mkdir(parents=True)
        copy = analysis_in(folder)
        # `cp -a` keeps times, which shutil only does file by file.
        subprocess.run(["cp", "-a", self.project, copy.project], check=True)
        subprocess.run(["cp", "-a", self.work, copy.work], check=True)
        return copy

    def edit(self, module: str, old: str, new: str) -> None:
        """Replace text in a source file, which must be there."""
        path = self.project / module
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {module}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


TARGETS = ("all", "package", "ingest", "cache", "train", "infer", "evaluate")


def job_counts(output: str) -> dict[str, int]:
    """The first job table of Snakemake's output, without targets and the total."""
    if "Nothing to be done" in output:
        return {}
    table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", output, re.MULTILINE | re.DOTALL)
    assert table, output
    counts = {}
    for line in table.group(1).splitlines():
        rule, count = line.split()
        counts[rule] = int(count)
    return {rule: count for rule, count in sorted(counts.items()) if rule not in TARGETS}


def new_analysis(folder: Path) -> Analysis:
    """A copy of the project's sources and an empty working directory beside it."""
    analysis = analysis_in(folder)
    copy_sources(SOURCES, analysis.project)
    analysis.work.mkdir()
    return analysis


def analysis_in(folder: Path) -> Analysis:
    """The analysis that lies in a folder."""
    return Analysis(folder / "project", folder / "work")


def copy_sources(names: Iterable[str], folder: Path) -> None:
    """Copy parts of the project into a new folder, without compiled files, which could outlive an edit."""
    folder.mkdir(parents=True)
    for name in names:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".work*"))
        else:
            shutil.copy2(source, folder / name)
