"""Plant a list of faults: each meets the tests of its room, and what survives these the whole suite.

    python -m tests.mutants.campaign faults.toml outcome.tsv [--copies 2] [--rooms-only]

What the outcome file holds already is not planted again, so an interrupted campaign goes on.
"""

import argparse
import csv
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from threading import Lock

from tests.mutants.planting import PASSED, Fault, copy_project, outcome_with, read_faults
from tests.workflow.engine import PROJECT

ROOM_TIMEOUT_S, SUITE_TIMEOUT_S = 1200, 3600
SUITE = ["tests", "--ignore=tests/slurm"]  # copies side by side would share the cluster's ports
COLUMNS = ("name", "tests", "outcome", "told")


def tests_of_room(fault: Fault, tree: Path = PROJECT) -> list[str]:
    """Unit tests that import from the room of the file; for what lies in no room, from the module; for rules, scripts
    and Snakefile the tests of the workflow."""
    parts = Path(fault.file).with_suffix("").parts
    if parts[:2] != ("workflow", "lunggtv"):
        return ["tests/workflow"]
    module = ".".join(("lunggtv", parts[2]))
    files = sorted((tree / "tests/unit").glob("test_*.py"))
    own = [f"tests/unit/test_{parts[-1]}.py"]
    named = [str(file.relative_to(tree)) for file in files if module in file.read_text(encoding="utf-8")]
    return [name for name in own if (tree / name).exists()] + [name for name in named if name not in own]


def read_outcomes(path: Path) -> list[dict[str, str]]:
    """Rows of the outcome file; none if there is no file yet."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def main() -> None:
    """Read the arguments, plant, and print the share that was noticed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faults", type=Path)
    parser.add_argument("outcomes", type=Path)
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--rooms-only", action="store_true")
    arguments = parser.parse_args()
    faults = read_faults(arguments.faults)
    rows = read_outcomes(arguments.outcomes)
    known = {(row["name"], row["tests"]): row["outcome"] for row in rows}
    if not rows:
        arguments.outcomes.write_text("\t".join(COLUMNS) + "\n", encoding="utf-8")
    writing = Lock()

    def plant(fault: Fault, kind: str, timeout_s: float) -> None:
        if (fault.name, kind) in known:
            return
        tree = trees.get()
        try:
            tests = tests_of_room(fault, tree)
            if kind == "suite":
                tests = [*SUITE, *(f"--ignore={name}" for name in tests)]  # those have met it
            result, told = outcome_with(fault, tree, tests, tree.parent / "temporary", timeout_s)
        finally:
            trees.put(tree)
        with writing, open(arguments.outcomes, "a", encoding="utf-8") as file:
            known[fault.name, kind] = result
            file.write(f"{fault.name}\t{kind}\t{result}\t{told[:300]}\n")
        print(fault.name, kind, result, told[:120], flush=True)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.copies) as pool:
        trees: Queue[Path] = Queue()
        for number in range(arguments.copies):
            trees.put(copy_project(Path(folder, str(number), "project")))
        list(pool.map(lambda f: plant(f, "room", ROOM_TIMEOUT_S), faults))
        left = [fault for fault in faults if known.get((fault.name, "room"), PASSED) == PASSED]
        if not arguments.rooms_only:
            list(pool.map(lambda f: plant(f, "suite", SUITE_TIMEOUT_S), left))
    unseen = [fault for fault in left if known.get((fault.name, "suite"), PASSED) == PASSED]
    print(f"{len(faults) - len(unseen)} of {len(faults)} noticed; not: {', '.join(f.name for f in unseen)}")


if __name__ == "__main__":
    main()
