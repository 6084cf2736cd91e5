"""What decides how a device rounds: threads, determinism, the layout of weights, half precision."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lunggtv.geometry import Shape

# Cosine of the gradients of a new network, in half precision and in float32: about 0.9 where both are right.
LEAST_AGREEMENT = 0.5
BFLOAT16_CAPABILITY = 8  # of CUDA cards from Ampere on; older ones have float16
NAMES = {torch.bfloat16: "bfloat16", torch.float16: "float16", None: "float32"}
# Small gradients are nothing in float16 unless the loss is enlarged; too large, they are infinite.
LOSS_SCALES = (2.0**16, 2.0**12, 2.0**8)
OUT_OF_MEMORY = (
    "nable to find an engine", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUDA error: out of memory",
)  # fmt: skip


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


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a device had too little memory, which cuDNN and cuBLAS say in words of their own."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)


def half_precision(network: nn.Module, shape: Shape, device: torch.device) -> torch.dtype | None:
    """The half precision a device has, if one pass of training in it points where float32 does; else None.

    With one cuDNN some convolutions were wrong, by kernel, channels and size of the plane (pytorch#163539); so what is
    tried is the network itself, forward and backward, on a patch of ``shape``. Its gradients are forgotten.
    """
    old = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] < BFLOAT16_CAPABILITY
    precision = torch.float16 if old else torch.bfloat16
    generator = torch.Generator().manual_seed(0)
    patch = torch.randn((1, 1, *shape), generator=generator).to(device)
    try:
        exact, rounded = (_gradients(network, patch, kind) for kind in (None, precision))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        logging.info("too little memory to compare %s with float32 before the start", NAMES[precision])
        return precision
    finally:
        network.zero_grad(set_to_none=True)
    agreement = float(functional.cosine_similarity(exact, rounded, dim=0))
    if not agreement > LEAST_AGREEMENT:
        logging.warning(
            "gradients in %s do not agree with those in float32 on %s (cosine %.2f); computing in float32",
            NAMES[precision], device, agreement,
        )  # fmt: skip
        return None
    return precision


def autocast(device: torch.device, precision: torch.dtype | None) -> torch.autocast:
    """Convolutions in ``precision`` for a while; None changes nothing."""
    return torch.autocast(device.type, precision or torch.bfloat16, enabled=precision is not None)


def _gradients(network: nn.Module, patch: Tensor, precision: torch.dtype | None) -> Tensor:
    """All gradients of one pass in a row."""
    found = torch.zeros(0)
    for scale in LOSS_SCALES if precision is torch.float16 else (1.0,):
        network.zero_grad(set_to_none=True)
        with autocast(patch.device, precision):
            heads = network(patch)
        loss = torch.stack([head.float().sigmoid().mean() for head in heads]).sum()
        (loss * scale).backward()
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        found = torch.cat([gradient.float().reshape(-1) for gradient in gradients]) / scale
        if bool(torch.isfinite(found).all()):
            break
    return found
