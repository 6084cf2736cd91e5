"""Two runs at once, clocks that go wrong, raw files that come and go."""

import gzip
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import LABELLED, UNLABELLED
from tests.faults.chaos import PATIENCE_S, differences, start
from tests.workflow.engine import PROJECT

VOLUME = "results/ingest/2/volume.h5"
PAST, FUTURE = 600_000_000, 2_100_000_000  # 1989 and 2036
HOLD = (
    "import sys; sys.path.insert(0, sys.argv[1])\nfrom lunggtv.locks import lock_run\n"
    "lock_run()\nprint('held', flush=True)\ninput()"
)


def test_a_second_run_in_the_same_folder_is_refused(analysis, finished):
    (analysis.work / "results/folds.tsv").unlink()
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(PROJECT / "workflow")], cwd=analysis.work, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert first.stdout.readline() == "held\n"
    second = analysis.run("results/folds.tsv", check=False)
    assert second.returncode != 0
    assert (
        f"Another run is at work in {analysis.work} (process {first.pid} on " in second.stdout + second.stderr
    )
    assert not (analysis.work / "results/folds.tsv").exists()
    assert analysis.reruns("results/folds.tsv") == {"deal_folds": 1}, "a dry run is no run"
    first.communicate("\n")
    analysis.run("results/folds.tsv")
    assert differences(analysis, finished) == []


def test_another_raw_file_counts_however_old_it_is(analysis):
    raw = analysis.work / "raw/labelled/2/data.nii.gz"
    content = gzip.decompress(raw.read_bytes())
    # The same voxels packed anew, in place of any other content: other bytes, and an old time.
    raw.write_bytes(gzip.compress(content, 1, mtime=0))
    os.utime(raw, (PAST, PAST))
    assert analysis.reruns(VOLUME) == {"ingest_patient": 1}


def test_a_raw_file_from_the_future_is_named_and_touching_it_helps(analysis, finished):
    (analysis.work / VOLUME).unlink()
    raw = analysis.work / "raw/labelled/2/data.nii.gz"
    os.utime(raw, (FUTURE, FUTURE))
    done = analysis.run(VOLUME, check=False)
    assert done.returncode != 0
    assert re.search(
        rf"older modification time .* than input {raw.relative_to(analysis.work)}.*clock", done.stderr
    )
    raw.touch()
    analysis.run(VOLUME)
    assert differences(analysis, finished) == []
    assert analysis.reruns() == {}


@pytest.mark.long
def test_a_raw_file_that_vanishes_in_mid_run_is_named_and_may_come_back(
    analysis, finished, tmp_path, campaign
):
    shutil.rmtree(analysis.work / "results/ingest")
    raw = analysis.work / "raw/labelled/5/label.nii.gz"
    run = start(analysis)
    assert run.wait_for_job("ingest_patient")
    shutil.move(raw, tmp_path / "away")
    assert run.process.wait(timeout=PATIENCE_S) != 0
    assert "raw/labelled/5/label.nii.gz" in (output := (analysis.work / "killed.out").read_text()) or (
        "label.nii.gz is not there" in output
    )
    # Snakemake starts no more jobs then. The next run takes the folder as it is: one verdict more, nobody lost.
    assert "no label" in analysis.run("ingest", check=False).stderr
    assert len(list(analysis.work.glob("results/ingest/*/verdict.json"))) == LABELLED + UNLABELLED
    shutil.move(tmp_path / "away", raw)
    analysis.run()
    assert differences(analysis, finished) == []
    campaign.append(("a raw file gone in mid-run", "named; same bytes once it was back"))
