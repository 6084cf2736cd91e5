"""Installed by pip: the metrics from anywhere, and the workflow straight from a hosted repository."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.workflow.engine import PROJECT, SOURCES, Analysis, copy_sources

# As snakedeploy writes it; a git setting of the test leads the address to a repository here.
DEPLOYED = """
configfile: "config/config.yaml"


module lunggtv:
    snakefile:
        github("example/lunggtv", path="workflow/Snakefile", tag="v1")
    config:
        config


use rule * from lunggtv
"""
DISTRIBUTIONS = {
    "PIL": "pillow", "SimpleITK": "simpleitk", "cc3d": "connected-components-3d", "yaml": "pyyaml",
}  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    """A copy of the project, because setuptools leaves files where it builds."""
    folder = tmp_path_factory.mktemp("sources") / "clone"
    copy_sources((*SOURCES, "config", "pyproject.toml", "README.md", "LICENSE"), folder)
    return folder


@pytest.fixture(scope="module")
def installed(sources) -> dict[str, str]:
    """Environment in which the packages are installed, and found in no clone."""
    target = sources.parent / "site-packages"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*command, "--target", target, sources], check=True, capture_output=True)
    return os.environ | {"PYTHONPATH": str(target)}


def test_two_masks_are_scored_without_a_clone(installed, raw_cohort, tmp_path):
    label = raw_cohort / "labelled/2/label.nii.gz"
    done = subprocess.run(
        [sys.executable, "-m", "lunggtv.evaluate", label, label],
        cwd=tmp_path, env=installed, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.search(r"^dice +1(\.0*)?$", done.stdout, re.MULTILINE), done.stdout


def test_what_is_installed_needs_what_it_imports():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    imported = {
        DISTRIBUTIONS.get(name, name)
        for path in (PROJECT / "workflow").glob("lung*/**/*.py")
        for name in top_names(path) - {*sys.stdlib_module_names, "lunggtv", "lungphantom"}
    }
    needed = {*project["dependencies"], *project["optional-dependencies"]["networks"]}
    assert needed == imported
    pins = (PROJECT / "envs/requirements.txt").read_text(encoding="utf-8")
    assert all(f"\n{name}==" in pins for name in needed)


def top_names(path: Path) -> set[str]:
    """First names of all that a source file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


@pytest.fixture(scope="module")
def hosted(sources, tmp_path_factory) -> dict[str, str]:
    """Settings of git that lead to a copy of the project, and an empty cache of Snakemake."""
    folder = tmp_path_factory.mktemp("hosted")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example"]
    shutil.copytree(sources, folder / "repository", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "All"], ["tag", "v1"]):
        subprocess.run([*git, *command], cwd=folder / "repository", check=True)
    (folder / "gitconfig").write_text(
        f'[url "file://{folder}/repository"]\n    insteadOf = https://github.com/example/lunggtv\n'
    )
    return {"GIT_CONFIG_GLOBAL": str(folder / "gitconfig"), "XDG_CACHE_HOME": str(folder / "cache")}


@pytest.fixture
def deployed(sources, raw_cohort, tmp_path) -> Analysis:
    """What snakedeploy makes, with three patients."""
    analysis = Analysis(tmp_path / "caller", tmp_path / "work")
    analysis.project.mkdir()
    (analysis.project / "Snakefile").write_text(DEPLOYED)
    shutil.copytree(sources / "config", analysis.work / "config")
    for patient in ("1", "2", "3"):
        shutil.copytree(raw_cohort / "labelled" / patient, analysis.work / "raw/labelled" / patient)
    return analysis


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
class TestFromAHostedRepository:
    def test_a_deployed_workflow_plans_and_runs_with_the_installed_packages(
        self, deployed, installed, hosted
    ):
        environment = installed | hosted
        counts = deployed.reruns(env=environment)
        assert counts["train_fold"] == counts["evaluate_patient"] == 3
        deployed.run("results/ingest/2/volume.h5", env=environment)
        assert (deployed.work / "results/ingest/2/volume.h5").is_file()

    def test_without_them_it_says_what_to_install(self, deployed, hosted):
        done = deployed.run("--dry-run", env=os.environ | {"PYTHONPATH": ""} | hosted, check=False)
        assert done.returncode != 0
        assert "Install the package of the same version" in done.stdout + done.stderr


def test_the_catalog_finds_what_it_reads():
    usage = yaml.safe_load((PROJECT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert usage["report"] is True
    assert usage["software-stack-deployment"] == {"conda": True}
    assert (PROJECT / "workflow/Snakefile").is_file()
    assert (PROJECT / "config/README.md").is_file()
