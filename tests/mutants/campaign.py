"""Plant a list of faults: each meets the tests of its room, and what survives these the whole suite.

    python -m tests.mutants.campaign faults.toml outcome.tsv [--copies 2] [--rooms-only]

Before any fault, the tests that it is to meet must pass without one, or they would notice all there is. What the
outcome file holds already is not run again, so an interrupted campaign goes on.
"""

import argparse
import csv
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from threading import Lock

from tests.mutants.planting import (
    PASSED,
    Fault,
    copy_project,
    outcome,
    outcome_with,
    read_faults,
)

ROOM_TIMEOUT_S, SUITE_TIMEOUT_S = 1200, 3600
# A dry run of every rule notices most of what is wrong in one.
WORKFLOW = ["tests/workflow/test_planned_jobs.py", "tests/workflow"]
UNIT = ["tests/unit"]
# Copies side by side would share the cluster's ports; the list of known faults says nothing about the sources.
SUITE = ["tests", "--ignore=tests/slurm", "--ignore=tests/mutants"]
ROOM, WHOLE = "room", "suite"
NO_FAULT = "(no fault)"
COLUMNS = ("name", "tests", "outcome", "told")


def tests_of_room(fault: Fault, tree: Path) -> list[str]:
    """Unit tests that import from the room of the file, themselves or by a helper; for what lies in no room, from the
    module, or all where none does; for the phantoms, from these; for rules, scripts and Snakefile the tests of the
    workflow. Those most likely to notice come first."""
    parts = Path(fault.file).with_suffix("").parts
    if parts[:2] not in (("workflow", "lunggtv"), ("workflow", "lungphantom")):
        return WORKFLOW
    module = ".".join(parts[1:3]) if parts[1] == "lunggtv" else parts[1]
    texts = {file: file.read_text(encoding="utf-8") for file in sorted((tree / "tests/unit").glob("*.py"))}
    helpers = [f"tests.unit.{file.stem} import" for file, text in texts.items() if module in text]
    own = f"test_{parts[-1]}.py"
    found = [
        file
        for file, text in texts.items()
        if file.name == own
        or (file.name.startswith("test_") and any(name in text for name in (module, *helpers)))
    ]
    found.sort(key=lambda file: (file.name != own, ".".join(parts[1:]) not in texts[file]))
    return [str(file.relative_to(tree)) for file in found] or UNIT


def read_outcomes(path: Path) -> dict[tuple[str, str], str]:
    """Outcome by the fault's name and the tests it met; none if there is no file yet."""
    if not path.exists():
        return {}
    with open(path, encoding="utf-8", newline="") as file:
        return {(row["name"], row["tests"]): row["outcome"] for row in csv.DictReader(file, delimiter="\t")}


@dataclass
class Campaign:
    """Copies of the project in which tests run side by side, and the file that keeps what came of them."""

    path: Path
    trees: Queue[Path]
    known: dict[tuple[str, str], str]
    writing: Lock = field(default_factory=Lock)

    def keep(self, name: str, tests: str, run: Callable[[Path, Path], tuple[str, str]]) -> str:
        """The outcome of a run in one of the copies, kept, or the one that is kept already."""
        if (name, tests) in self.known:
            return self.known[name, tests]
        tree = self.trees.get()
        try:
            result, told = run(tree, tree.parent / "temporary")
        finally:
            self.trees.put(tree)
        with self.writing:
            if not self.path.exists():
                self.path.write_text("\t".join(COLUMNS) + "\n", encoding="utf-8")
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(f"{name}\t{tests}\t{result}\t{told[:300]}\n")
            self.known[name, tests] = result
        print(name, tests[:40], result, told[:120], flush=True)
        return result

    def prove(self, tests: Sequence[str]) -> None:
        """End the campaign where tests fail without any fault; such an outcome is not kept."""

        def run(tree: Path, temporary: Path) -> tuple[str, str]:
            result, told = outcome(tree, tests, temporary, timeout_of(tests))
            if result != PASSED:
                sys.exit(f"Without any fault the tests must pass: {' '.join(tests)}: {result}: {told}")
            return result, told

        self.keep(NO_FAULT, " ".join(tests), run)

    def plant(self, fault: Fault, kind: str) -> str:
        """The outcome of the tests of the fault's room, or of those of the suite that it has not met there."""

        def run(tree: Path, temporary: Path) -> tuple[str, str]:
            tests = tests_of_room(fault, tree)
            if kind == WHOLE:
                tests = [*SUITE, *(f"--ignore={name}" for name in tests)]
            return outcome_with(fault, tree, tests, temporary, timeout_of(tests))

        return self.keep(fault.name, kind, run)


def timeout_of(tests: Sequence[str]) -> int:
    """Seconds after which tests count as hung."""
    return SUITE_TIMEOUT_S if set(tests) & {*WORKFLOW, *SUITE} else ROOM_TIMEOUT_S


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, plant, and print the share that was noticed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faults", type=Path)
    parser.add_argument("outcomes", type=Path)
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--rooms-only", action="store_true")
    given = parser.parse_args(arguments)
    faults = read_faults(given.faults)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(given.copies) as pool:
        campaign = Campaign(given.outcomes, Queue(), read_outcomes(given.outcomes))
        copies = [copy_project(Path(folder, str(number), "project")) for number in range(given.copies)]
        for copy in copies:
            campaign.trees.put(copy)
        rooms = {tuple(sorted(tests_of_room(fault, copies[0]))) for fault in faults}
        list(pool.map(campaign.prove, sorted(rooms)))
        outcomes = pool.map(lambda fault: campaign.plant(fault, ROOM), faults)
        left = [fault for fault, result in zip(faults, outcomes, strict=True) if result == PASSED]
        if left and not given.rooms_only:
            campaign.prove(SUITE)  # and so every part of it
            outcomes = pool.map(lambda fault: campaign.plant(fault, WHOLE), left)
            left = [fault for fault, result in zip(left, outcomes, strict=True) if result == PASSED]
    print(f"{len(faults) - len(left)} of {len(faults)} noticed; not: {', '.join(f.name for f in left)}")


if __name__ == "__main__":
    main()
