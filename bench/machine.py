"""The machine that a benchmark ran on, in words, without its name."""

import os
import platform
from pathlib import Path


def machine(device: str = "cpu") -> str:
    """Cores and processor, and the card where ``device`` is a CUDA device."""
    cores = len(os.sched_getaffinity(0))
    words = f"{cores} cores of {platform.machine()} ({_processor()})"
    if device.startswith("cuda"):
        import torch

        words = f"{torch.cuda.get_device_name(device)}, {words}"
    return words


def _processor() -> str:
    """The processor's name where Linux tells it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"
