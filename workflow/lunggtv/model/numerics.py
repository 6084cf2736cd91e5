"""What decides how a device rounds: threads, determinism, the layout of weights, bfloat16."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional


@contextmanager
def numerics(deterministic: bool, threads: int) -> Iterator[None]:
    """Threads and determinism of torch for a while.

    Not deterministic, cuDNN searches for its fastest algorithm, which may be another one next time.
    """
    filling: Any = torch.utils.deterministic
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.benchmark,
        filling.fill_uninitialized_memory,
    )
    torch.set_num_threads(threads)
    if deterministic:
        # cuBLAS asks for this before its first call on a device (CUDA 10.2 and later).
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic
    # Filling every new tensor with NaN finds reads of what nobody wrote; there are none, and it costs time.
    filling.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        torch.backends.cudnn.benchmark = before[2]
        filling.fill_uninitialized_memory = before[3]


def place_network(network: nn.Module, device: torch.device | str) -> nn.Module:
    """The network on a device for training, its weights laid out as the convolutions there like them.

    On a CPU that is channels last: oneDNN otherwise reorders every tensor around each convolution and its gradients,
    and a step of the demo takes 1.4 times as long. Without gradients it makes no difference.
    """
    network = network.to(device)
    if torch.device(device).type == "cpu":
        # Torch has this argument, its types do not.
        network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network


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
        logging.warning("bfloat16 convolutions are wrong on %s; computing in float32", device)
    return works
