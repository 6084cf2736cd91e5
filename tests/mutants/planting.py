"""Small faults, planted one by one into a copy of the project, to see whether the tests notice."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.workflow.engine import PROJECT

PASSED, NOTICED, HUNG = "passed", "noticed", "hung"


@dataclass(frozen=True)
class Fault:
    """Text of a source file, the text to stand in its place, and the tests that are to fail then."""

    name: str
    file: str
    old: str
    new: str
    harm: str
    tests: tuple[str, ...] = ()


def read_faults(path: Path) -> list[Fault]:
    """The faults of a TOML file, one ``[[fault]]`` each; without ``name`` they are numbered."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["fault"]
    return [
        Fault(
            row.get("name", f"{Path(row['file']).stem} {number}"),
            row["file"],
            row["old"],
            row["new"],
            row["harm"],
            tuple(row.get("tests", ())),
        )
        for number, row in enumerate(rows, 1)
    ]


def with_fault(fault: Fault, tree: Path = PROJECT) -> str:
    """The source file with the fault in it.

    Raises:
        ValueError: the text to be replaced does not stand exactly once in the file.
    """
    text = (tree / fault.file).read_text(encoding="utf-8")
    count = text.count(fault.old)
    if count != 1:
        raise ValueError(f"{fault.name}: found {count} times in {fault.file}: {fault.old!r}")
    return text.replace(fault.old, fault.new)


def copy_project(folder: Path) -> Path:
    """A copy of all that git keeps, or would keep: any file may be one that a test reads."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (PROJECT / name).is_file():  # not removed, and no link to a folder
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    return folder


def outcome(tree: Path, tests: Sequence[str], temporary: Path, timeout_s: float) -> tuple[str, str]:
    """Run tests of a copy until the first failure.

    Returns:
        ``passed``, ``noticed`` or ``hung``, and the lines that name what failed.

    Raises:
        RuntimeError: pytest could not run these tests, as when one does not exist.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", f"--basetemp={temporary}"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [*command, *tests],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        return HUNG, f"after {timeout_s:.0f} s"
    told = [line for line in done.stdout.splitlines() if line.startswith(("FAILED tests", "ERROR tests"))]
    if done.returncode not in (0, 1, 2):
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout}{done.stderr}")
    return (NOTICED if done.returncode else PASSED), "; ".join(told)


def outcome_with(
    fault: Fault, tree: Path, tests: Sequence[str], temporary: Path, timeout_s: float
) -> tuple[str, str]:
    """As ``outcome``, with the fault in the copy while the tests run."""
    path = tree / fault.file
    sound = path.read_text(encoding="utf-8")
    path.write_text(with_fault(fault, tree), encoding="utf-8")
    try:
        return outcome(tree, tests, temporary, timeout_s)
    finally:
        path.write_text(sound, encoding="utf-8")
