"""Which device a job computes on: a free GPU of its own, or the CPU."""

import ctypes
import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lunggtv.errors import ConfigError
from lunggtv.model.cards import why_unusable

# Parameters of glibc's mallopt, from malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
LARGEST_INT = 2**31 - 1


@contextmanager
def claimed_device(wanted: str, insist: bool = False) -> Iterator[torch.device]:
    """A device for this job alone.

    ``auto`` takes, of the CUDA devices that no other job of this user has locked, the one with most free memory, since
    other users and programs lock nothing; and the CPU where there is no CUDA device. The lock is advisory and ends
    with the process, so a killed job leaves nothing behind. With more jobs than devices (a run without the GPU limit
    of the profile) the job waits for the first device.

    Args:
        wanted: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.
        insist: a card of NVIDIA's that torch cannot use is an error, not a warning: on the CPU it would take days.

    Raises:
        ConfigError: CUDA is asked for and absent, or there is a card and torch cannot use it.
    """
    if wanted == "cpu" or not _has_cuda(wanted, insist):
        keep_freed_memory()
        yield torch.device("cpu")
        return
    first = torch.device(wanted).index if wanted not in ("auto", "cuda") else None
    candidates = [first] if first is not None else by_free_memory()
    index, handle = _first_free(candidates, [_lock_path(index) for index in candidates])
    try:
        yield torch.device("cuda", index)
    finally:
        os.close(handle)


def _has_cuda(wanted: str, insist: bool) -> bool:
    """Whether there is a CUDA device to use; ConfigError and ``insist`` as for ``claimed_device``."""
    unusable = why_unusable()
    if unusable and (insist or wanted != "auto"):
        raise ConfigError(unusable)
    if unusable:
        logging.warning("%s Computing on the CPU.", unusable)
        return False
    there = torch.cuda.is_available()
    if not there and wanted != "auto":
        raise ConfigError(f"Device {wanted} was asked for, but torch finds no CUDA device. Use auto or cpu.")
    if not there:
        logging.info("no CUDA device here: computing on the CPU")
    return there


def by_free_memory() -> list[int]:
    """CUDA devices, the one with most free memory first."""
    free = {index: torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count())}
    return sorted(free, key=lambda index: (-free[index], index))


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next layer instead of handing it back to the kernel.

    With glibc's defaults a training step on 40x64x96 voxels met 435,000 page faults, which took 45 % of its
    CPU time; so, none. Does nothing where the C library has no ``mallopt``.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, LARGEST_INT)


def _lock_path(index: int) -> Path:
    # A file of another user could not be opened.
    uuid = torch.cuda.get_device_properties(index).uuid
    return Path(tempfile.gettempdir()) / f"lunggtv-{os.getuid()}-cuda-{uuid}.lock"


def _first_free(candidates: list[int], locks: list[Path]) -> tuple[int, int]:
    """The first device that is not locked, waiting for the first of all if need be, and the lock's descriptor."""
    for index, path in zip(candidates, locks, strict=True):
        handle = _opened(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return index, handle
        except BlockingIOError:
            os.close(handle)
    logging.info("every CUDA device is taken by another job; waiting for the first")
    handle = _opened(locks[0])
    fcntl.flock(handle, fcntl.LOCK_EX)
    return candidates[0], handle


def _opened(path: Path) -> int:
    # The folder belongs to everybody: a link that somebody else left there is not followed.
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
