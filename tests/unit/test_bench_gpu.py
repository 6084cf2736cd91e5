"""The command that measures a GPU: it works without one, keeps what it has, and says what it lacks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = """
train:
  steps: 100
  patch_shape: [16, 32, 32]
  network: {width: 4, max_width: 8, blocks: [1]}
"""


@pytest.fixture
def bench(tmp_path: Path):
    """Runs the command on a CPU with a network of no size; its outcome."""
    (tmp_path / "small.yaml").write_text(SMALL, encoding="utf-8")

    def run(*arguments: str, python: str = sys.executable, box=("16", "40", "48")):
        command = [
            sys.executable,
            ROOT / "bench" / "gpu",
            "--python",
            python,
            "--device",
            "cpu",
            "--turns",
            "1",
        ]
        command += ["--box", *box, "--patients", "2", "--config", tmp_path / "small.yaml"]
        command += ["--work", tmp_path / "work", "--out", tmp_path / "out", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_rows_are_measured_once_each_by_itself_and_shown_in_one_page(bench, tmp_path: Path) -> None:
    done = bench("--rows", "prediction", "saving", "step", "--minutes", "9")
    assert done.returncode == 0, done.stderr
    rows = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "out").glob("*.json")}
    assert set(rows) == {"prediction", "saving", "step"}, done.stderr
    # 40 x 48 by windows of 32 in steps of at most 16: two by two, each once more in its mirror image.
    assert (rows["prediction"]["plain"]["windows"], rows["prediction"]["mirrored"]["windows"]) == (4, 8)
    assert rows["prediction"]["box"] == "16 x 40 x 48" and rows["prediction"]["precision"] == "float32"
    step = rows["step"]
    assert min(step["real_ms"], step["fixed_ms"], step["data_ms"], rows["saving"]["s"]) > 0
    assert step["fold_h"] == pytest.approx(100 * step["real_ms"] / 3.6e6)
    assert step["patches_per_s"] == pytest.approx(2000 / step["real_ms"])
    assert rows["saving"]["share"] <= 0.01
    page = (tmp_path / "out" / "README.md").read_text()
    assert page == done.stdout and "patches of 16 x 32 x 32 voxels, 2 a step" in page
    assert (
        "|as config.yaml has it|float32|" in page and "|mirrored|" in page and "Not measured: nnunet." in page
    )
    (tmp_path / "out" / "saving.json").write_text(json.dumps(rows["saving"] | {"s": 1234.5}))
    again = bench("--rows", "saving")
    assert again.returncode == 0 and "written in 1234.50 s" in again.stdout


def test_what_cannot_be_measured_says_why_and_leaves_no_file(bench, tmp_path: Path) -> None:
    done = bench("--rows", "step", "--minutes", "0.1")
    assert done.returncode == 0 and "Not measured: step (no time was left" in done.stdout
    done = bench("--rows", "step", box=("16", "40", "0"))
    assert "Not measured: step (failed with exit status 1" in done.stdout
    assert list((tmp_path / "out").glob("*.json")) == []


def test_a_library_that_is_missing_is_named_with_the_way_to_get_it(bench, tmp_path: Path) -> None:
    python = tmp_path / "python"

    def without(name: str) -> None:
        python.write_text(
            f'#!/bin/sh\ncase "$2" in *"import {name}") exit 1;; esac\nexec {sys.executable} "$@"\n'
        )
        python.chmod(0o755)

    without("torch")
    done = bench(python=str(python))
    assert (
        done.returncode == 1 and "has no torch; name an interpreter that has it with --python" in done.stderr
    )
    without("yaml")
    done = bench(python=str(python))
    assert done.returncode == 1 and "lacks pyyaml" in done.stderr and "--no-deps pyyaml" in done.stderr
    (tmp_path / "wheels").mkdir()
    done = bench("--wheels", str(tmp_path / "wheels"), python=str(python))
    assert done.returncode == 1 and f"could not be installed from {tmp_path}/wheels" in done.stderr
