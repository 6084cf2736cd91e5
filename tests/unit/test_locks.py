"""Locks that end with their process: one run in a folder, one process for a job."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from lunggtv import locks

from tests.workflow.engine import PROJECT

TRY = "from lunggtv.locks import {name}\n{name}({arguments})\nprint('held', flush=True)\n"
HOLD = TRY + "import time\ntime.sleep(60)\n"


def python(code, folder, name, *arguments):
    text = code.format(name=name, arguments=", ".join(map(repr, arguments)))
    return subprocess.Popen(
        [sys.executable, "-c", text], cwd=folder, env=os.environ | {"PYTHONPATH": str(PROJECT / "workflow")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / ".snakemake").mkdir()
    return tmp_path


@pytest.fixture
def holder(folder):
    started = []

    def hold(name, *arguments):
        process = python(HOLD, folder, name, *arguments)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_run_is_refused_by_name_and_a_killed_one_leaves_nothing(folder, holder):
    first = holder("lock_run")
    out, err = python(TRY, folder, "lock_run").communicate()
    assert out == "" and f"Another run is at work in {folder} (process {first.pid} on " in err
    assert "nothing needs to be unlocked" in err
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert python(TRY, folder, "lock_run").communicate()[0] == "held\n"


def test_the_same_job_of_a_dead_run_is_waited_for_and_others_are_not(folder, holder):
    orphan = holder("lock_job", "logs/train_fold/0.log")
    assert python(TRY, folder, "lock_job", "logs/train_fold/1.log").communicate()[0] == "held\n"
    assert python(TRY, folder, "lock_run").communicate()[0] == "held\n", "jobs do not hold the folder"
    same = python(TRY, folder, "lock_job", "logs/train_fold/0.log")
    assert "logs/train_fold/0.log: the same job of an earlier run is still at work" in same.stderr.readline()
    time.sleep(0.3)
    assert same.poll() is None
    orphan.kill()
    assert same.communicate()[0] == "held\n"


def test_outside_a_run_nothing_is_locked_or_made(tmp_path):
    assert python(TRY, tmp_path, "lock_job", "x").communicate()[0] == "held\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "held"), [(errno.EIO, None), (errno.ENOLCK, True)])
def test_an_error_of_the_disk_is_no_lock_of_another_job(monkeypatch, tmp_path, number, held):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locks.fcntl, "lockf", refuse)
    if held:
        locks.lock_job("job", tmp_path)
        return
    with pytest.raises(OSError, match=os.strerror(number)):
        locks.lock_job("job", tmp_path)
