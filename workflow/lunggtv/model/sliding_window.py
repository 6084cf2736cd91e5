"""Prediction of a whole box: the network's own windows, blended by Gaussians.

Training's validation and inference share it, so that what is validated is what is delivered.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lunggtv.boxes import box_at
from lunggtv.geometry import Shape
from lunggtv.model.numerics import autocast

OVERLAP = 0.5  # of neighbouring windows
# Of a window across the slices, at most, where less goes through the network so. Within the slices it would cost Dice:
# the network's norms are then taken over another part of the body (bench/results/windows.md).
STRETCH = 4 / 3
WINDOWS_AT_ONCE = 2  # needs less memory than training with a batch of two; see forward()
# On a CPU larger windows go alone: a pair is no faster then, and takes half as much memory again or more.
LARGE_WINDOW_VOX = 2**19
SIGMA = 0.125  # of the Gaussian that weighs a window, as a share of its edge (nnU-Net, MONAI)


@torch.inference_mode()
def predict_probability(
    network: nn.Module,
    ct_normalised: Tensor,
    *,
    patch_shape: Shape,
    divisor: int,
    air: float,
    reduced: torch.dtype | None = None,
) -> Tensor:
    """GTV probability of a box.

    Args:
        network: in evaluation mode, on the device of ``ct_normalised``; gives (B, 1, Z, Y, X) logits.
        ct_normalised: (Z, Y, X) float32, see ``normalisation``.
        patch_shape: the shape the network was trained on; windows are as large, or a little thicker where that makes
            fewer of them.
        divisor: slices of a window must be a multiple of this.
        air: normalised value of air, used to pad.
        reduced: precision to run the network in; sums stay float32. None for float32 throughout.

    Returns:
        (Z, Y, X) float32 probability on the same device.
    """
    if ct_normalised.dim() != 3 or ct_normalised.dtype != torch.float32:
        raise ValueError(
            f"needed is a float32 (Z, Y, X) tensor, not {ct_normalised.dtype} {tuple(ct_normalised.shape)}"
        )
    shape = tuple(ct_normalised.shape)
    window = (window_thickness(shape[0], patch_shape[0], divisor), *patch_shape[1:])
    padded_shape = tuple(max(n, w) for n, w in zip(shape, window, strict=True))
    before = [(full - n) // 2 for n, full in zip(shape, padded_shape, strict=True)]
    padding = [
        edge
        for n, full, low in reversed(list(zip(shape, padded_shape, before, strict=True)))
        for edge in (low, full - n - low)
    ]
    image = functional.pad(ct_normalised[None, None], padding, value=air)

    def forward(x: Tensor) -> Tensor:
        # On one CPU thread torch convolves a small single sample by a way that takes longer than a pair does.
        small = x.device.type == "cpu" and x[0, 0].numel() <= LARGE_WINDOW_VOX
        twice = small and x.shape[0] == 1 and torch.get_num_threads() == 1
        with autocast(x.device, reduced):
            logits = network(x.repeat(2, 1, 1, 1, 1) if twice else x).float()
        return logits[: x.shape[0]]

    logits = _sliding(forward, image, window)
    return torch.sigmoid(logits[0, 0][box_at(before, shape)]).contiguous()


def _sliding(forward: Callable[[Tensor], Tensor], image: Tensor, window: Shape) -> Tensor:
    """Mean of the windows' logits, each voxel weighted by its window's Gaussian."""
    weight = gaussian_window(window).to(image.device)
    total = torch.zeros_like(image)
    weights = torch.zeros_like(image)
    axes = [window_starts(n, p) for n, p in zip(image.shape[2:], window, strict=True)]
    every = slice(None)
    places = [(every, every, *box_at(start, window)) for start in product(*axes)]
    alone = image.device.type == "cpu" and int(np.prod(window)) > LARGE_WINDOW_VOX
    at_once = 1 if alone else WINDOWS_AT_ONCE
    for first in range(0, len(places), at_once):
        group = places[first : first + at_once]
        logits = forward(torch.cat([image[place] for place in group]))
        for place, own in zip(group, logits, strict=True):
            total[place] += own * weight
            weights[place] += weight
    return total / weights


def window_thickness(length: int, patch: int, divisor: int) -> int:
    """Slices of a window: those of the patch, or up to STRETCH times as many where fewer go through the network in all.

    Example: 60 slices, patch of 48: one window of 64 instead of two of 48, if 64 can be divided.
    """
    above = range(patch - patch % divisor + divisor, int(patch * STRETCH) + 1, divisor)
    return min((patch, *above), key=lambda slices: (slices * len(window_starts(length, slices)), slices))


def window_starts(length: int, window: int) -> list[int]:
    """First voxels of evenly spread windows that cover an axis, stepping at most half a window.

    Example: 110 voxels, windows of 64: two steps of 23 voxels, 0, 23, 46.
    """
    if length <= window:
        return [0]
    steps = int(np.ceil((length - window) / (window * (1 - OVERLAP))))
    return [round((length - window) * step / steps) for step in range(steps + 1)]


def gaussian_window(patch_shape: Shape) -> Tensor:
    """Weights of a window's voxels, 1 at the centre, never so small that a corner divides by nothing."""
    weight = torch.ones(())
    for size in patch_shape:
        offset = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
        weight = weight[..., None] * torch.exp(-0.5 * (offset / (size * SIGMA)) ** 2)
    return (weight / weight.max()).clamp_min(1e-3)
