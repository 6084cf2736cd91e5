"""A GPU belongs to one job, and comes back when the job is killed. The devices are pretended."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
from types import SimpleNamespace

import pytest
import torch
from lunggtv.errors import ConfigError
from lunggtv.model.device import claimed_device
from lunggtv.model.numerics import place_network

from tests.workflow.engine import PROJECT

# What a job does, in a process of its own: claim a device, say which, stay.
JOB = """
import sys, time
from types import SimpleNamespace
import torch
torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 2
torch.cuda.get_device_properties = lambda index: SimpleNamespace(uuid=f"GPU-{index}")
from lunggtv.model.device import claimed_device
with claimed_device("auto") as device:
    print(device, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def two_devices(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"GPU-{index}")
    )
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_jobs_side_by_side_get_devices_of_their_own(two_devices):
    with claimed_device("auto") as first, claimed_device("auto") as second:
        assert (first.index, second.index) == (0, 1)
    with claimed_device("auto") as again:
        assert again.index == 0


def test_a_killed_job_leaves_its_device_free(two_devices):
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow"), "TMPDIR": str(two_devices)}
    job = subprocess.Popen([sys.executable, "-c", JOB], env=environment, stdout=subprocess.PIPE, text=True)
    assert job.stdout.readline() == "cuda:0\n"
    with claimed_device("auto") as other:
        assert other.index == 1
    job.send_signal(signal.SIGKILL)
    job.communicate()
    assert list(two_devices.glob("lunggtv-cuda-*.lock")), "the file stays; it means nothing"
    with claimed_device("auto") as device:
        assert device.index == 0


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with (
        pytest.raises(ConfigError, match="cuda was asked for, but torch finds no CUDA device"),
        claimed_device("cuda"),
    ):
        pass
    with claimed_device("auto") as device:
        assert device == torch.device("cpu")


def test_a_numbered_device_is_that_one(two_devices):
    with claimed_device("cuda:1") as device:
        assert device == torch.device("cuda", 1)


def test_on_a_cpu_freed_memory_is_kept(monkeypatch):
    told = []
    library = SimpleNamespace(mallopt=lambda *given: told.append(given))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    with claimed_device("cpu") as device:
        assert device == torch.device("cpu")
    # From malloc.h: no mmap (-4), and a trim threshold (-1) of the largest int.
    assert sorted(told) == [(-4, 0), (-1, 2**31 - 1)]


def test_weights_lie_channels_last_on_a_cpu():
    network = torch.nn.Conv3d(4, 8, 3)
    assert not network.weight.is_contiguous(memory_format=torch.channels_last_3d)
    placed = place_network(network, "cpu")
    assert placed.weight.is_contiguous(memory_format=torch.channels_last_3d)


def test_with_more_jobs_than_devices_the_third_waits_for_the_first(two_devices):
    claims = []

    def third_job():
        with claimed_device("auto") as device:
            claims.append(device)

    waiting = threading.Thread(target=third_job)
    with claimed_device("cuda:1"):
        with claimed_device("cuda:0"):
            waiting.start()
            waiting.join(0.2)
            assert not claims
        waiting.join(10)
    assert claims == [torch.device("cuda", 0)]
