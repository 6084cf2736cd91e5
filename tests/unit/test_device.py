"""A GPU belongs to one job, and comes back when the job is killed. The devices are pretended."""

import ctypes
import os
import signal
import stat
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

from tests.unit.train_cases import train_tiny, write_cohort
from tests.workflow.engine import PROJECT

# What a job does, in a process of its own: claim a device, say which, stay.
JOB = """
import sys, time
from types import SimpleNamespace
import torch
torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 2
torch.cuda.get_device_properties = lambda index: SimpleNamespace(uuid=f"GPU-{index}")
torch.cuda.get_arch_list = lambda: ["sm_80"]
torch.cuda.get_device_capability = lambda index: (8, 0)
torch.cuda.mem_get_info = lambda index: (10, 20)
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
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_80"])
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (8, 0))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (10, 20))
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
    assert list(two_devices.glob("lunggtv-*.lock")), "the file stays; it means nothing"
    with claimed_device("auto") as device:
        assert device.index == 0


def test_the_free_device_with_most_free_memory_is_taken(two_devices, monkeypatch):
    """Other users and other programs lock nothing."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: ((10, 30)[index], 40))
    with claimed_device("auto") as first, claimed_device("auto") as second:
        assert (first.index, second.index) == (1, 0)


def test_another_users_locks_are_in_nobodys_way(two_devices, monkeypatch):
    """They share a machine: neither can open the other's files, and each takes what has most free memory."""
    with claimed_device("auto") as device:
        assert device.index == 0
        (lock,) = two_devices.iterdir()
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600
        monkeypatch.setattr(os, "getuid", lambda: 4242)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: ((2, 30)[index], 40))
        with claimed_device("auto") as other:
            assert other.index == 1
    assert {path.name for path in two_devices.iterdir()} >= {lock.name, "lunggtv-4242-cuda-GPU-1.lock"}


def test_a_link_in_place_of_a_lock_is_not_followed(two_devices):
    with claimed_device("auto"):
        (lock,) = two_devices.iterdir()
    lock.unlink()
    lock.symlink_to(two_devices / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), claimed_device("cuda:0"):
        pass
    assert not (two_devices / "elsewhere").exists()


def test_a_card_that_torch_cannot_use_stops_training_and_warns_a_draft(monkeypatch, caplog):
    monkeypatch.setattr("lunggtv.model.device.why_unusable", lambda: "There is a card.")
    for wanted, insist in (("auto", True), ("cuda", False)):
        with pytest.raises(ConfigError, match="There is a card"), claimed_device(wanted, insist):
            pass
    with claimed_device("auto") as device:
        assert device == torch.device("cpu")
    (record,) = caplog.records
    assert record.levelname == "WARNING" and record.message == "There is a card. Computing on the CPU."
    with claimed_device("cpu", insist=True) as device:
        assert device == torch.device("cpu")


def test_training_insists_on_a_card_that_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr("lunggtv.model.device.why_unusable", lambda: "There is a card.")
    with pytest.raises(ConfigError, match="There is a card"):
        train_tiny(tmp_path, write_cohort(tmp_path / "data"), tmp_path / "state", device="auto")


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with (
        pytest.raises(ConfigError, match="cuda was asked for, but torch finds no CUDA device"),
        claimed_device("cuda"),
    ):
        pass
    with claimed_device("auto") as device:
        assert device == torch.device("cpu")


@pytest.mark.parametrize("number", [0, 1])
def test_a_numbered_device_is_that_one(two_devices, monkeypatch, number):
    """Though the other has more free memory."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (10 + 20 * (index != number), 40))
    with claimed_device(f"cuda:{number}") as device:
        assert device == torch.device("cuda", number)


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
