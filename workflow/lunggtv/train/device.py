"""Which device a fold trains on, and what it can do."""

import fcntl
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.nn import functional

from lunggtv.errors import ConfigError
from lunggtv.model.network import Architecture

BYTES_A_FEATURE = 14  # kept per output number of a convolution: its result, the norm's, the relu's (estimate)


@contextmanager
def claimed_device(wanted: str) -> Iterator[torch.device]:
    """A device for this job alone.

    ``auto`` takes the first CUDA device that no other job of this user's machine has locked, and the CPU
    where there is none. The lock is advisory and ends with the process, so a killed job leaves nothing
    behind. With more jobs than devices (a run without the GPU limit of the profile) the job waits for the
    first device.

    Raises ConfigError if CUDA is asked for and absent.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        if wanted == "auto":
            logging.info("no CUDA device here: training on the CPU")
        yield torch.device("cpu")
        return
    if not torch.cuda.is_available():
        raise ConfigError(f"Device {wanted} was asked for, but torch finds no CUDA device. Use auto or cpu.")
    first = torch.device(wanted).index if wanted not in ("auto", "cuda") else None
    candidates = [first] if first is not None else list(range(torch.cuda.device_count()))
    locks = [_lock_path(index) for index in candidates]
    index, handle = _first_free(candidates, locks)
    try:
        yield torch.device("cuda", index)
    finally:
        handle.close()


def bfloat16_works(device: torch.device) -> bool:
    """Whether the card has bfloat16 and its 3D convolution agrees with float32 (pytorch#163539: it did not
    with one cuDNN)."""
    if torch.cuda.get_device_capability(device)[0] < 8:
        return False
    generator = torch.Generator(device).manual_seed(0)
    x = torch.randn((1, 32, 16, 64, 64), generator=generator, device=device)
    w = torch.randn((32, 32, 3, 3, 3), generator=generator, device=device) / 29.4  # 1 / sqrt(32 * 27)
    exact = functional.conv3d(x, w, padding=1)
    rounded = functional.conv3d(x.bfloat16(), w.bfloat16(), padding=1).float()
    # bfloat16 keeps 8 bits: the mean error of a sum of 864 products is far below 5 % of its spread.
    works = bool((rounded - exact).abs().mean() < 0.05 * exact.std())
    if not works:
        logging.warning("bfloat16 convolutions are wrong on %s; training in float32", device)
    return works


def training_bytes(architecture: Architecture, batch: int, parameters: int, autocast: bool) -> int:
    """Estimate of the memory training takes: features kept for the backward pass, and five copies of the
    weights (themselves, gradient, momentum, average, workspace)."""
    voxels = batch
    for n in architecture.patch_shape:
        voxels *= n
    features = 0
    for width, stride, blocks in zip(
        architecture.widths, architecture.strides, architecture.blocks, strict=True
    ):
        voxels //= stride[0] * stride[1] * stride[2]
        convolutions = 2 * blocks + 1 + 3  # encoder blocks and shortcut; upsampled, joined, decoded
        features += voxels * width * convolutions
    return int(features * BYTES_A_FEATURE * (0.5 if autocast else 1.0)) + 20 * parameters


def _lock_path(index: int) -> Path:
    uuid = torch.cuda.get_device_properties(index).uuid
    return Path(tempfile.gettempdir()) / f"lunggtv-cuda-{uuid}.lock"


def _first_free(candidates: list[int], locks: list[Path]):
    for index, path in zip(candidates, locks, strict=True):
        handle = path.open("a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return index, handle
        except BlockingIOError:
            handle.close()
    logging.info("every CUDA device is taken by another training; waiting for the first")
    handle = locks[0].open("a")
    fcntl.flock(handle, fcntl.LOCK_EX)
    return candidates[0], handle
