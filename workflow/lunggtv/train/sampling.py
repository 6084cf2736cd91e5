"""Which window of which patient sample i shows: a function of (seed, fold, i) alone.

Counter-based randomness (Philox; Salmon et al. 2011): every sample owns a stream, so that a resumed run sees
what an uninterrupted one would have seen, and no state has to be kept.
"""

from dataclasses import dataclass

import numpy as np

from lunggtv.geometry import Shape

PATIENTS, PLACE, AUGMENTATION = 0, 1, 2  # independent streams of a sample or of a round
CENTRAL_SHARE = 0.5  # a chosen GTV voxel lies in this central part of the patch, on each axis


@dataclass(frozen=True)
class Window:
    """Where a sample looks: index of the patient, centre of the patch in (fractional) voxels."""

    case: int
    centre: tuple[float, float, float]
    foreground: bool


def stream(seed: int, fold: int, purpose: int, index: int) -> np.random.Generator:
    """The random numbers that belong to (seed, fold, purpose, index) and to nothing else."""
    return np.random.Generator(np.random.Philox(key=[seed, fold], counter=[0, 0, purpose, index]))


def draw_case(seed: int, fold: int, index: int, count: int) -> int:
    """Patient of sample ``index``: in each round of ``count`` samples every patient comes once."""
    position = index % count
    return int(stream(seed, fold, PATIENTS, index // count).permutation(count)[position])


def draw_window(
    seed: int,
    fold: int,
    index: int,
    shapes: list[Shape],
    foregrounds: list[np.ndarray],
    patch_shape: Shape,
    foreground_share: float,
) -> Window:
    """Patient and place of sample ``index``.

    Exactly ``foreground_share`` of the samples show a GTV voxel, drawn uniformly, in their central part (no
    GTV: any place); the others lie anywhere in the box. A patch stays inside the box wherever it fits.

    Args:
        shapes: boxes of the patients, in voxels.
        foregrounds: flat indices of each patient's GTV voxels.
        patch_shape: of the network.
    """
    case = draw_case(seed, fold, index, len(shapes))
    shape, voxels = shapes[case], foregrounds[case]
    generator = stream(seed, fold, PLACE, index)
    chosen, *jitter = generator.random(4)
    wanted = _shared(index + 1, foreground_share) > _shared(index, foreground_share)
    foreground = bool(wanted and voxels.size)
    if foreground:
        voxel = np.unravel_index(voxels[int(chosen * voxels.size)], shape)
        centre = [
            float(v) + (j - 0.5) * CENTRAL_SHARE * p
            for v, j, p in zip(voxel, jitter, patch_shape, strict=True)
        ]
    else:
        centre = [(p - 1) / 2 + j * max(n - p, 0) for j, n, p in zip(jitter, shape, patch_shape, strict=True)]
    z, y, x = (_kept_inside(c, n, p) for c, n, p in zip(centre, shape, patch_shape, strict=True))
    return Window(case, (z, y, x), foreground)


def _shared(index: int, share: float) -> int:
    return int(np.floor(index * share + 1e-9))


def _kept_inside(centre: float, length: int, patch: int) -> float:
    """Centre of a patch on whole voxels that stays in the box, or the box's centre if it is smaller."""
    if patch >= length:
        return (length - 1) / 2
    start = round(centre - (patch - 1) / 2)
    return min(max(start, 0), length - patch) + (patch - 1) / 2
