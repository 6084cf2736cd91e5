"""A campaign believes its tests only after they have passed without a fault."""

import subprocess

import pytest

from tests.mutants import campaign
from tests.mutants.planting import PASSED, copy_project
from tests.workflow.engine import PROJECT

SOUND = "LIMIT = 3\n\n\ndef big(n):\n    return n > LIMIT\n"
FAULTS = """
[[fault]]
name = "turned"
file = "workflow/lunggtv/size.py"
old = "n > LIMIT"
new = "n < LIMIT"
harm = "the wrong ones"

[[fault]]
name = "off by one"
file = "workflow/lunggtv/size.py"
old = "n > LIMIT"
new = "n >= LIMIT"
harm = "one too many"
"""
TEST = "from lunggtv.size import big\n\n\ndef test_big():\n    assert big(9) and not big(0)\n"


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a campaign on a project of one module, and counts what is run in it."""
    project = {
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["workflow"]\n',
        "workflow/lunggtv/size.py": SOUND,
        "tests/unit/test_size.py": TEST,
        "tests/unit/test_other.py": "def test_other():\n    pass\n",
    }
    write(tmp_path, {"faults.toml": FAULTS})
    runs = []

    def noted(kind, function):
        return lambda *given: (runs.append(kind), function(*given))[1]

    monkeypatch.setattr(campaign, "SUITE", ["tests"])
    monkeypatch.setattr(campaign, "outcome", noted("sound", campaign.outcome))
    monkeypatch.setattr(campaign, "outcome_with", noted("fault", campaign.outcome_with))

    def start(*options, **changed):
        runs.clear()
        files = project | changed
        monkeypatch.setattr(campaign, "copy_project", lambda folder: write(folder, files))
        paths = [str(tmp_path / name) for name in ("faults.toml", "outcome.tsv")]
        campaign.main([*paths, "--copies", "1", *options])
        return runs

    return start


def rows(tmp_path):
    lines = (tmp_path / "outcome.tsv").read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")[:3]) for line in lines[1:]]


def test_tests_are_proved_once_and_what_the_room_misses_meets_the_rest(run, tmp_path, capsys):
    assert run() == ["sound", "fault", "fault", "sound", "fault"]
    assert rows(tmp_path) == [
        ("(no fault)", "tests/unit/test_size.py", PASSED),
        ("turned", "room", "noticed"),
        ("off by one", "room", PASSED),
        ("(no fault)", "tests", PASSED),
        ("off by one", "suite", PASSED),
    ]
    assert capsys.readouterr().out.endswith("1 of 2 noticed; not: off by one\n")
    assert run() == [], "a finished campaign is finished"
    assert capsys.readouterr().out.endswith("1 of 2 noticed; not: off by one\n")


def test_an_interrupted_campaign_goes_on_where_it_was(run, tmp_path):
    run("--rooms-only")
    file = tmp_path / "outcome.tsv"
    file.write_text("".join(file.read_text(encoding="utf-8").splitlines(keepends=True)[:3]), encoding="utf-8")
    assert run("--rooms-only") == ["fault"]


def test_tests_that_fail_without_a_fault_end_it_in_words(run, tmp_path):
    failing = {"tests/unit/test_size.py": TEST + "\n\ndef test_sick():\n    assert not big(4)\n"}
    for _ in range(2):
        with pytest.raises(
            SystemExit, match=r"Without any fault the tests must pass: tests/unit/test_size\.py: .*sick"
        ):
            run(**failing)
    assert not (tmp_path / "outcome.tsv").exists(), "no fault has counted"


def test_what_only_the_whole_suite_shows_sick_ends_it_too(run, tmp_path):
    failing = {"tests/unit/test_other.py": "def test_other():\n    raise OSError\n"}
    with pytest.raises(SystemExit, match="test_other"):
        run(**failing)
    assert [row[1] for row in rows(tmp_path)] == ["tests/unit/test_size.py", "room", "room"]


@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="no clone of a repository")
def test_a_copy_holds_what_git_keeps(tmp_path):
    listing = ["git", "-C", PROJECT, "ls-files", "-z"]
    names = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split("\0")
    kept = {name for name in names if name and (PROJECT / name).is_file()}
    copy = copy_project(tmp_path / "copy")
    held = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert {".snakemake-workflow-catalog.yml", "tests/mutants/faults.toml"} <= kept <= held
    assert all((copy / name).read_bytes() == (PROJECT / name).read_bytes() for name in held)
