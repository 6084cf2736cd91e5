"""How sure the draft is: disagreement between its members, and vagueness of their mean probability.

Members are the models of an ensemble, or the plain and the mirrored pass of a single model; a single pass has
nobody to disagree with.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lunggtv.masks import dice

# Voxels below this mean probability, drawn by no member, say nothing about the tumour's border.
POSSIBLE = 0.1


@dataclass(frozen=True)
class Uncertainty:
    """Figures of one patient; None where there is nothing to compare, or nothing drawn.

    Attributes:
        members: predictions compared.
        entropy_bits: mean binary entropy of the mean probability over voxels that any member draws or the
            mean gives at least ``POSSIBLE``; 0 sure, 1 a coin toss.
        pairwise_dice: mean Dice between members' masks; two empty masks agree (1).
        mirror_dice: Dice between the plain and the mirrored mask of a model, mean over the models.
        volume_spread: (largest - smallest member volume) / mean member volume; 0 if all are empty.
        soft_dice: expected Dice of the drawn mask if every voxel were GTV with its probability,
            2 sum(p in mask) / (sum(mask) + sum(p)); None if nothing is drawn.
        peak: highest mean probability.
    """

    members: int
    entropy_bits: float | None
    pairwise_dice: float | None
    mirror_dice: float | None
    volume_spread: float | None
    soft_dice: float | None
    peak: float


def measure_uncertainty(passes: np.ndarray, mean: np.ndarray, threshold: float) -> Uncertainty:
    """Uncertainty of a prediction.

    Args:
        passes: probabilities (model, pass, z, y, x); one pass, or the plain and the mirrored one.
        mean: mean probability (z, y, x), as drawn from.
        threshold: voxels with at least this probability are drawn.
    """
    models, each = passes.shape[:2]
    members = passes.mean(axis=1) if models > 1 else passes[0]
    drawn = [member >= threshold for member in members]
    where = mean >= POSSIBLE
    for member in drawn:
        where |= member
    entropy = pairwise = mirror = spread = soft = None
    if where.any():
        entropy = float(_entropy_bits(mean[where]).mean())
    if len(drawn) > 1:
        pairwise = float(np.mean([dice(a, b) for a, b in combinations(drawn, 2)]))
        volumes = [int(member.sum()) for member in drawn]
        spread = float((max(volumes) - min(volumes)) / np.mean(volumes)) if any(volumes) else 0.0
    if each > 1:
        mirror = float(np.mean([dice(a, b) for a, b in passes >= threshold]))
    inside = mean >= threshold
    if inside.any():
        soft = float(2 * mean[inside].sum(dtype=float) / (inside.sum() + mean.sum(dtype=float)))
    return Uncertainty(len(drawn), entropy, pairwise, mirror, spread, soft, float(mean.max()))


def _entropy_bits(probability: np.ndarray) -> np.ndarray:
    p = probability.astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = p * np.log2(p) + (1 - p) * np.log2(1 - p)
    return -np.nan_to_num(terms)  # 0 log 0 = 0
