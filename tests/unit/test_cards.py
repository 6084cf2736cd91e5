"""A card that is there and cannot be used is never passed over in silence. The cards are pretended."""

import pytest
import torch
from lunggtv.model import cards
from lunggtv.model.cards import driver_version, knows, why_unusable

# As the driver writes it, of two kinds.
TEXT = "NVRM version: NVIDIA UNIX {}x86_64 Kernel Module  {}  Wed Apr 17 10:11:12 UTC 2024\nGCC version: 12\n"
OPEN_TEXT = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n"


@pytest.fixture
def driver(tmp_path, monkeypatch):
    path = tmp_path / "version"
    path.write_text(TEXT.format("", "470.82.01"))
    monkeypatch.setattr(cards, "DRIVER", path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return path


def test_a_driver_without_a_usable_build_is_told_with_both_ways_out(driver, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    text = why_unusable()
    words = f"driver (470.82.01) that torch {torch.__version__}, which is built for CUDA 13.0, cannot use. "
    assert words in text
    assert (
        "Install a build of torch" in text and "CUDA_VISIBLE_DEVICES" in text and "train_fold:gpu=0" in text
    )
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "built for CPUs alone" in why_unusable()


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_hidden_card_is_meant_to_be(driver, monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert why_unusable() is None


def test_without_a_driver_there_is_nothing_to_say(driver):
    driver.unlink()
    assert why_unusable() is None and driver_version() is None


@pytest.mark.parametrize(
    ("text", "version"), [(OPEN_TEXT, "570.86.15"), ("something else", "of an unknown version")]
)
def test_versions_of_drivers(driver, text, version):
    driver.write_text(text)
    assert driver_version() == version


def test_a_card_that_the_build_does_not_know_is_named(driver, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80", "compute_90"])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: ("A100", "V100")[index])
    capabilities = [(8, 0), (7, 0)]
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: capabilities[index])
    text = why_unusable()
    assert "Card 1 (V100)" in text and "7.0" in text and "sm_75, sm_80, compute_90" in text
    capabilities[1] = (12, 0)
    assert why_unusable() is None
    monkeypatch.setattr(torch.version, "hip", "6.2")
    capabilities[1] = (1, 0)
    assert why_unusable() is None


@pytest.mark.parametrize(
    ("built_for", "capability", "known"),
    [
        (["sm_75", "sm_80", "sm_90"], (8, 0), True),
        (["sm_75", "sm_80", "sm_90"], (8, 9), True),
        (["sm_86"], (8, 0), False),
        (["sm_75", "sm_90"], (8, 0), False),
        (["sm_75"], (7, 0), False),
        (["sm_90a"], (9, 0), True),
        (["sm_120"], (12, 0), True),
        (["compute_80"], (12, 0), True),
        (["compute_90"], (8, 6), False),
        (["gfx90a"], (9, 0), False),
        ([], (9, 0), False),
    ],
)
def test_what_a_build_knows(built_for, capability, known):
    assert knows(built_for, capability) == known
