"""Whether this machine has a GPU at all, told without loading torch: what is read at parse time."""

import os
from pathlib import Path

# NVIDIA's driver, on Linux and under WSL; AMD's.
SIGNS = (Path("/dev/nvidiactl"), Path("/proc/driver/nvidia/version"), Path("/dev/dxg"), Path("/dev/kfd"))


def gpu_is_there() -> bool:
    """Whether a driver is there and its cards are not hidden on purpose; whether they can be used, a job finds out."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1") and any(map(os.path.exists, SIGNS))
