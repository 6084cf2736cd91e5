"""Files that want memory, time or other files: each refused with its message, within the memory of the rule."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.attacks import ATTACKS
from tests.faults.cage import SECONDS
from tests.workflow.engine import PROJECT

NAMES = {attack.__name__: code for attack, code in ATTACKS.items()}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What ingest said of every attack, all in one process with limited memory."""
    root = tmp_path_factory.mktemp("hostile")
    for attack in ATTACKS:
        attack(root / attack.__name__ / "7")
    before = listing(root)
    command = [
        sys.executable,
        str(Path(__file__).parent / "cage.py"),
        str(PROJECT / "workflow"),
        str(root / "out"),
    ]
    done = subprocess.run(
        [*command, *(str(root / name) for name in NAMES)], cwd=root, env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=SECONDS * len(NAMES),
    )  # fmt: skip
    told = dict(zip(NAMES, map(json.loads, done.stdout.splitlines()), strict=False))
    return told, done, {path for path in listing(root) - before if path.parts[0] != "out"}


def listing(root):
    return {path.relative_to(root) for path in root.rglob("*")}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_refused_with_its_reason_and_takes_neither_time_nor_memory(outcomes, name):
    told, done, _ = outcomes
    assert name in told, f"the process ended ({done.returncode}) before: {done.stderr[-500:]}"
    if NAMES[name] is not None:
        assert NAMES[name] in told[name]["codes"], told[name]["words"]
    assert not re.match(r"\w*Error", told[name]["words"]), told[name]["words"]


def test_nothing_is_written_elsewhere(outcomes):
    assert outcomes[2] == set()
