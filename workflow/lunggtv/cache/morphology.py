"""Erosion and dilation slice by slice, on whole volumes at once, over ten times as fast as SciPy does it.

Cross and square take turns, which makes an octagon of the reach.
"""

import numpy as np

from lunggtv.geometry import Triple
from lunggtv.masks import grown


def dilate_in_plane(
    mask: np.ndarray, reach_mm: float, spacing_mm: Triple, within: np.ndarray | None = None
) -> np.ndarray:
    """A mask (bool, z y x) grown by ``reach_mm``, at least one voxel, never out of ``within``."""
    for step in range(_steps(reach_mm, spacing_mm)):
        mask = grown(mask, corners=bool(step % 2))
        if within is not None:
            mask &= within
    return mask


def erode_in_plane(mask: np.ndarray, reach_mm: float, spacing_mm: Triple, beyond: bool = False) -> np.ndarray:
    """A mask (bool, z y x) shrunk by ``reach_mm``, at least one voxel; ``beyond``: it goes on outside the array."""
    rest = ~mask
    for step in range(_steps(reach_mm, spacing_mm)):
        rest = grown(rest, corners=bool(step % 2), beyond=not beyond)
    return ~rest


def dilate_within(mask: np.ndarray, within: np.ndarray, steps: int) -> np.ndarray:
    """A mask (bool, z y x) grown ``steps`` times by all 26 neighbours, but into ``within`` only."""
    for _ in range(steps):
        wider = grown(mask, corners=True)
        thick = wider.copy()
        thick[1:] |= wider[:-1]
        thick[:-1] |= wider[1:]
        mask = mask | (thick & within)
    return mask


def _steps(reach_mm: float, spacing_mm: Triple) -> int:
    return max(1, round(reach_mm / spacing_mm[1]))
