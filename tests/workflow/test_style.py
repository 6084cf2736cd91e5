"""Linters, formatters and types are clean, the two environments are one, and the rooms keep their walls."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.engine import PROJECT, new_analysis

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    ("command", "folder"),
    [
        (["ruff", "check", "."], "."),
        (["ruff", "format", "--check", "."], "."),
        (["snakefmt", "--check", "Snakefile", "workflow"], "."),
        (["lint-imports", "--config", "../pyproject.toml", "--no-cache"], "workflow"),
        (["mypy"], "."),
    ],
    ids=["ruff", "ruff-format", "snakefmt", "import-linter", "mypy"],
)
def test_it_is_clean(command, folder):
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=PROJECT / folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "settings",
    ["{}", "phantom: {labelled: 3, unlabelled: 1, dicom: 1}"],
    ids=["without data", "with phantoms"],
)
def test_snakemake_lint_is_clean(tmp_path, settings):
    analysis = new_analysis(tmp_path)
    (analysis.work / "config.yaml").write_text(settings)
    done = analysis.run("--lint", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pip_and_conda_install_the_same():
    lines = (PROJECT / "envs/requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    conda = yaml.safe_load((PROJECT / "envs/lunggtv.yaml").read_text(encoding="utf-8"))
    assert conda["dependencies"][-1]["pip"] == pins
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+", pin) for pin in pins)


def test_what_runs_here_is_what_the_lock_says():
    from importlib import metadata

    lines = (PROJECT / "envs/requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    installed = {name: metadata.version(name).split("+")[0] for name in pins}
    assert installed == pins


def test_rules_are_short_and_scripts_only_unpack():
    for path in (PROJECT / "workflow/scripts").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 40, path.name
    for path in (PROJECT / "workflow/rules").glob("*.smk"):
        assert not re.search(r"^    (run|shell):", path.read_text(encoding="utf-8"), re.MULTILINE), path.name


def test_every_script_checks_what_it_reads_and_records_what_it_writes():
    for path in (PROJECT / "workflow/scripts").glob("*.py"):
        # Phantoms stand for raw data, which nobody records.
        files = "" if path.stem == "make_phantom" else ", snakemake.input, snakemake.output"
        opening = f"with logged_job(snakemake.log[0]{files}):"
        assert path.read_text(encoding="utf-8").count(opening) == 1, path.name


def test_every_rule_says_what_it_depends_on():
    for path in (PROJECT / "workflow/rules").glob("*.smk"):
        text = path.read_text(encoding="utf-8")
        for rule in re.split(r"^ *rule ", text, flags=re.MULTILINE)[1:]:
            name = rule.split(":")[0]
            if "output:" in rule:
                for needed in ("code=code_of(", "log:", "conda:", "script:"):
                    assert needed in rule, f"{name} has no {needed}"


def test_nothing_is_ever_unpickled():
    for path in [*(PROJECT / "workflow").rglob("*.py"), *(PROJECT / "workflow").rglob("*.smk")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"\bimport pickle|torch\.load|allow_pickle=True|(?<![.\w])(eval|exec)\(", text
        ), path


def test_a_rule_is_a_script_and_a_module_of_its_own_name():
    rules = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "workflow/rules").glob("*.smk"))
    scripts = {path.stem for path in (PROJECT / "workflow/scripts").glob("*.py")}
    for name, text in re.findall(r"^ *rule (\w+):\n(.*?)(?=^ *rule |\Z)", rules, re.MULTILINE | re.DOTALL):
        if "script:" in text:
            # Other tools' masks are scored and drawn as ours are.
            script = {"evaluate_other": "evaluate_patient", "picture_other": "picture_patient"}.get(
                name, name
            )
            assert f'"../scripts/{script}.py"' in text and script in scripts, name
            assert f'"logs/{name}' in text, name
            assert f'code=code_of("{script}")' in text, name
            assert "benchmark:" not in text or f'"benchmarks/{name}' in text, name
            code = (PROJECT / f"workflow/scripts/{script}.py").read_text(encoding="utf-8")
            assert re.search(rf"^from lung\w+(\.\w+)*\.{script} import .*\b{script}\b", code, re.MULTILINE), (
                name
            )


def test_no_two_modules_share_a_name():
    paths = [*(PROJECT / "workflow").glob("lung*/**/*.py")]
    names = [path.stem for path in paths if path.stem not in ("__init__", "__main__")]
    assert len(paths) > 100
    assert sorted(names) == sorted(set(names))
    assert not [name for name in names if re.fullmatch(r"run(_.*)?|utils?|helpers?|misc|common", name)]
