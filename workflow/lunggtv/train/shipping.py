"""Small numbers of the host to the device, all at once: each blocking copy would wait for the step before."""

from collections.abc import Sequence

import torch
from torch import Tensor


def shipped(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Host tensors as float32 on a device, by a single copy that does not wait.

    Args:
        tensors: of any shapes and number types.
        device: where they are needed.
    """
    packed = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
    if device.type == "cuda":
        packed = packed.pin_memory()
    there = packed.to(device, non_blocking=True)
    parts = there.split([tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
