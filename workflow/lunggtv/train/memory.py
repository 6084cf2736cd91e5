"""What a device can do, and what training needs of it."""

import logging

import torch
from torch.nn import functional

from lunggtv.model.architecture import Architecture

# Bytes kept for the backward pass per output number of a convolution, in float32. Counted with saved-tensor hooks
# for the default network: 14.0 GB at batch 2, and 14.3 GB by this number.
BYTES_A_FEATURE = 10


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


def free_text(device: torch.device) -> str:
    """`` (free: ...)`` for a CUDA device, nothing for the CPU."""
    if device.type != "cuda":
        return ""
    return f" ({torch.cuda.mem_get_info(device)[0] / 1e9:.1f} GB are free)"


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
