"""Whether torch can use the NVIDIA card of this machine, and if not, why and what to do."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import torch

DRIVER = Path("/proc/driver/nvidia/version")
VERSION = re.compile(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)")
WAYS_OUT = (
    "Install a build of torch for this card and driver (docs/training.md), or mean the CPU: set "
    "CUDA_VISIBLE_DEVICES to nothing, or run snakemake with --set-resources train_fold:gpu=0."
)


def why_unusable() -> str | None:
    """What keeps torch from a card that is there; None if nothing does, or there is none, or it is hidden on purpose.

    A driver without a usable CUDA build would otherwise be passed over in silence, and a card that the build does not
    know would fail at the first kernel.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return None
    if not torch.cuda.is_available():
        driver = driver_version()
        if driver is None:
            return None
        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPUs alone"
        return (
            f"There is an NVIDIA driver ({driver}) that torch {torch.__version__}, which is built for {built}, cannot "
            f"use. {WAYS_OUT}"
        )
    if torch.version.hip:
        return None  # a card of AMD's, whose names of architectures are others
    built_for = torch.cuda.get_arch_list()
    for index in range(torch.cuda.device_count()):
        capability = torch.cuda.get_device_capability(index)
        if not knows(built_for, capability):
            major, minor = capability
            return (
                f"Card {index} ({torch.cuda.get_device_name(index)}) has compute capability {major}.{minor}, for which "
                f"torch {torch.__version__} is not built ({', '.join(built_for)}). {WAYS_OUT}"
            )
    return None


def driver_version() -> str | None:
    """Version of the NVIDIA kernel driver; None if there is none."""
    if not DRIVER.is_file():
        return None
    found = VERSION.search(DRIVER.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else "of an unknown version"


def knows(built_for: Sequence[str], capability: tuple[int, int]) -> bool:
    """Whether a build has code for a card: binary code of its generation (``sm_80``) that is not newer than it, or
    code that any later card can translate (``compute_80``); see NVIDIA's CUDA C++ Programming Guide, "Application
    compatibility"."""
    for name in built_for:
        kind, _, digits = name.rstrip("af").partition("_")
        if not digits.isdecimal():
            continue
        major, minor = divmod(int(digits), 10)
        if kind == "sm" and major == capability[0] and minor <= capability[1]:
            return True
        if kind == "compute" and (major, minor) <= capability:
            return True
    return False
