"""Dice and cross-entropy over the batch, with supervision of the coarser heads."""

import torch
from torch import Tensor
from torch.nn import functional

from lunggtv.geometry import three_of
from lunggtv.model.residual_encoder import block_mean

SMOOTH = 1e-5


def supervision_weights(heads: int) -> list[float]:
    """Weights of the heads, finest first: halving, the coarsest dropped where there are several, sum 1.

    The sum is kept at 1 so that deep supervision does not raise the learning rate.
    """
    kept = max(heads - 1, 1)
    raw = [0.5**level for level in range(kept)] + [0.0] * (heads - kept)
    return [value / sum(raw) for value in raw]


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 - soft Dice of the GTV over the whole batch; (B, 1, Z, Y, X) each, target from 0 to 1.

    Over the batch rather than a patch: patches without GTV then add false positives instead of a constant.
    """
    probability = torch.sigmoid(logits)
    overlap = (probability * target).sum()
    total = probability.sum() + target.sum()
    return 1 - (2 * overlap + SMOOTH) / (total + SMOOTH)


def supervised_loss(heads: list[Tensor], target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Total loss, and its Dice and cross-entropy parts at the finest head (for the history).

    Coarser heads are compared with the mean label of the voxels they stand for, so that a small tumour fades
    instead of vanishing.
    """
    total = torch.zeros((), device=target.device)
    parts: list[Tensor] = []
    for weight, head in zip(supervision_weights(len(heads)), heads, strict=True):
        if weight == 0:
            continue
        logits = head.float()
        steps = three_of(n // m for n, m in zip(target.shape[2:], logits.shape[2:], strict=True))
        coarse = block_mean(target, steps)
        dice = dice_loss(logits, coarse)
        entropy = functional.binary_cross_entropy_with_logits(logits, coarse)
        total = total + weight * (dice + entropy)
        parts = parts or [dice.detach(), entropy.detach()]
    return total, parts[0], parts[1]
