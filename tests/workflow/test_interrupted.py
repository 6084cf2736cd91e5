"""Ctrl-C in the middle of a run, and the same command again: it goes on and ends with the same bytes."""

import os
import shutil
import signal
import subprocess
import sys
import time


def test_a_run_stopped_by_ctrl_c_goes_on(analysis, finished):
    # Training and all after it are to be done again.
    shutil.rmtree(analysis.work / "results/train")
    shutil.rmtree(analysis.work / "results/infer")
    shutil.rmtree(analysis.work / "train_state")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(analysis.project / "Snakefile")]
    command += ["--directory", str(analysis.work), "--cores", "1"]
    running = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list(analysis.work.glob("results/train/fold*/card.json")):
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(timeout=60) != 0
    assert not (analysis.work / "results/infer/review.tsv").exists()

    analysis.run()
    assert analysis.reruns() == {}
    assert analysis.differs_from(finished) == []
