"""Patients whose names mean something to a shell, or to Snakemake: read like any other, and nothing runs or escapes."""

import shutil

import pytest

from tests.workflow.engine import new_analysis

NAMES = ['$(touch pwned)`touch pwned`;touch pwned& it\'s "7" #1 *?|>pwned', "~root,a=b:c 患者"]
OURS = {"results", "logs", "benchmarks", "raw", ".snakemake", "config.yaml"}


@pytest.fixture
def named(tmp_path, raw_cohort):
    """The same patient under each of the names, and room around to see what escapes."""
    analysis = new_analysis(tmp_path / "inner" / "analysis")
    for name in NAMES:
        shutil.copytree(raw_cohort / "labelled/2", analysis.work / "raw/labelled" / name)
    # One scan under several names: none is accepted, and nobody could propose a spacing.
    (analysis.work / "config.yaml").write_text(
        "folds: {count: 2}\ncache: {spacing_mm: [5, 1.17, 1.17]}\ntrain: {patch_shape: [48, 160, 192]}\n"
    )
    return analysis


def test_names_are_only_names(named, tmp_path):
    around = {path for path in tmp_path.rglob("*") if named.work not in path.parents}
    targets = [f"results/cache/{name}/volume.h5" for name in NAMES]
    named.run(*targets)
    for target in targets:
        assert (named.work / target).is_file()
    assert named.reruns(*targets) == {}
    assert named.reruns()["evaluate_patient"] == len(NAMES)
    assert {path.name for path in named.work.iterdir()} <= OURS
    assert not list(tmp_path.rglob("pwned"))
    after = {path for path in tmp_path.rglob("*") if named.work not in path.parents}
    assert {path for path in after - around if "__pycache__" not in path.parts} == set()


def test_a_name_that_breaks_something_stops_the_run(tmp_path):
    # What such names are stands in tests/unit/test_discover.py.
    analysis = new_analysis(tmp_path)
    (analysis.work / "raw/labelled" / ("7" * 255)).mkdir(parents=True)
    done = analysis.run("--dry-run", check=False)
    output = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in output
    assert "cannot be a patient's id: it is longer than 200 bytes. Rename it." in output
