"""Each fault that once passed unseen is noticed by the test that was written for it."""

from pathlib import Path

import pytest

from tests.mutants.planting import (
    NOTICED,
    PASSED,
    copy_project,
    outcome,
    outcome_with,
    read_faults,
    with_fault,
)
from tests.workflow.engine import PROJECT

FAULTS = read_faults(Path(__file__).with_name("faults.toml"))
TIMEOUT_S = 300


def by_name(fault):
    return fault.name


@pytest.mark.parametrize("fault", FAULTS, ids=by_name)
def test_the_fault_still_applies_and_its_tests_are_there(fault):
    assert with_fault(fault) and fault.tests
    for test in fault.tests:
        file, *names = test.partition("[")[0].split("::")
        text = (PROJECT / file).read_text(encoding="utf-8")
        assert all(f"def {name}(" in text or f"class {name}:" in text for name in names), test


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("mutants") / "project")


@pytest.mark.long
def test_without_a_fault_the_tests_pass(tree, tmp_path):
    tests = sorted({test for fault in FAULTS for test in fault.tests})
    assert outcome(tree, tests, tmp_path / "t", 4 * TIMEOUT_S) == (PASSED, "")


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS, ids=by_name)
def test_the_fault_is_noticed(fault, tree, tmp_path):
    result, _ = outcome_with(fault, tree, fault.tests, tmp_path / "t", TIMEOUT_S)
    assert result == NOTICED, fault.harm
