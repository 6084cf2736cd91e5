"""An edit to any module of the package reruns exactly the rules whose scripts import it, and what follows.

What imports what is asked of grimp, not of ``lunggtv.code_identity``, so that the two check each other; a new
module is covered by itself. Modules with the same importers are edited together, one dry run for all of them.
"""

import ast
import os
import shutil
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grimp
import pytest
from lunggtv.code_identity import SHAPING_LIBRARIES, TELLING, code_fingerprint, stripped

from tests.workflow.engine import PROJECT, Analysis
from tests.workflow.expected import JOBS, all_jobs_of, with_what_follows

WORKFLOW = PROJECT / "workflow"
PACKAGES = ("lunggtv", "lungphantom")
GRAPH = grimp.build_graph(*PACKAGES, cache_dir=None, include_external_packages=True)
SCRIPTS = sorted(path.stem for path in (WORKFLOW / "scripts").glob("*.py"))
MODULES = sorted(module for module in GRAPH.modules if module.split(".")[0] in PACKAGES)
EDIT = "\nEDITED = True\n"
# The tiny run trains none of MONAI's networks.
LEFT_OUT = {*TELLING, "lunggtv.model.monai_networks"}


def imported_by_script(script: str) -> set[str]:
    """Modules and libraries that a script's own import statements name."""
    tree = ast.parse((WORKFLOW / f"scripts/{script}.py").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & GRAPH.modules


def closure(script: str) -> set[str]:
    """Everything that a script imports, directly or not; a module brings its packages along."""
    found, waiting = set(), imported_by_script(script)
    while waiting:
        module = waiting.pop()
        if module in LEFT_OUT:
            continue
        found.add(module)
        waiting |= set(GRAPH.find_modules_directly_imported_by(module)) - found
        if module.partition(".")[0] in PACKAGES and "." in module:
            waiting |= {module.rpartition(".")[0]} - found
    return found


CLOSURES = {script: closure(script) for script in SCRIPTS}


def groups() -> dict[frozenset[str], list[str]]:
    """Rules of the tiny run -> the modules that exactly these rules import."""
    found = defaultdict(list)
    for module in MODULES:
        found[frozenset(s for s in SCRIPTS if s in JOBS and module in CLOSURES[s])].append(module)
    return dict(found)


GROUPS = groups()


@pytest.fixture(scope="module")
def reruns(finished, tmp_path_factory) -> dict[frozenset[str], dict[str, int]]:
    """What a dry run plans after an edit of each group; every group in a copy of the sources."""
    folder = tmp_path_factory.mktemp("groups")

    def edit(numbered: tuple[int, frozenset[str]]) -> dict[str, int]:
        number, rules = numbered
        copy = Analysis(folder / str(number), finished.work)
        shutil.copytree(finished.project, copy.project)
        for module in GROUPS[rules]:
            path = module_file(copy.project / "workflow", module)
            path.write_text(path.read_text(encoding="utf-8") + EDIT, encoding="utf-8")
        return copy.reruns()

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(GROUPS, pool.map(edit, enumerate(GROUPS)), strict=True))


def module_file(root: Path, module: str) -> Path:
    base = root.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@pytest.mark.parametrize(
    "rules", GROUPS, ids=lambda rules: f"{GROUPS[rules][0]}_and_{len(GROUPS[rules]) - 1}"
)
def test_an_edit_reruns_the_rules_that_import_it_and_what_follows(reruns, rules):
    assert reruns[rules] == all_jobs_of(with_what_follows(rules))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_fingerprint_lists_every_module_that_the_script_imports_and_no_other(script):
    fingerprint = code_fingerprint(WORKFLOW / f"scripts/{script}.py", WORKFLOW, LEFT_OUT)
    assert set(fingerprint) == {
        f"{script}.py",
        *(m for m in CLOSURES[script] if m in MODULES or m in SHAPING_LIBRARIES),
    }


def test_an_edit_of_any_module_changes_its_digest():
    for module in MODULES:
        source = module_file(WORKFLOW, module).read_bytes()
        assert stripped(source + EDIT.encode()) != stripped(source), module


def installed(folder: Path, library: str, version: str) -> dict[str, str]:
    """Environment in which a library seems to have another version: its metadata is found first in ``folder``."""
    record = folder / f"{library}-{version}.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: {version}\n")
    return os.environ | {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("library", ["scipy", "torch", "pydicom"])
def test_another_version_of_a_library_that_shapes_bytes(finished, tmp_path, library):
    importing = {script for script in SCRIPTS if script in JOBS and library in CLOSURES[script]}
    environment = installed(tmp_path, library, "99.1")
    assert finished.reruns(env=environment) == all_jobs_of(with_what_follows(importing))


def test_another_version_of_a_library_that_shapes_nothing(finished, tmp_path):
    assert finished.reruns(env=installed(tmp_path, "jinja2", "99.1")) == {}


def test_the_lock_files_themselves_rerun_nothing_what_is_installed_decides(analysis):
    for name in ("requirements.txt", "requirements-dev.txt", "lunggtv.yaml"):
        path = analysis.project / "envs" / name
        path.write_text(path.read_text(encoding="utf-8").replace("==2", "==3"), encoding="utf-8")
    assert analysis.reruns() == {}
