"""The memory that training takes, and what a device has of it."""

import torch

from lunggtv.model.architecture import Architecture
from lunggtv.model.network import build_network, parameter_count

# Bytes kept for the backward pass per output number of a convolution, in float32. Counted with saved-tensor hooks
# for the default network: 9.98 GB at batch 2, and 10.02 GB by this number (tests/unit/test_gpu_path.py counts again).
BYTES_A_FEATURE = 7


def free_text(device: torch.device) -> str:
    """`` (free: ...)`` for a CUDA device, nothing for the CPU."""
    if device.type != "cuda":
        return ""
    return f" ({torch.cuda.mem_get_info(device)[0] / 1e9:.1f} GB are free)"


def planned_weights(architecture: Architecture) -> int:
    """How many weights a network has, counted without memory."""
    with torch.device("meta"):
        return parameter_count(build_network(architecture))


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
