"""From probability to the drawn mask, and from the box back to the scan as it was stored."""

from dataclasses import dataclass

import numpy as np

from lunggtv.geometry import Grid, Placement
from lunggtv.infer.draft_lesions import drop_small
from lunggtv.resampling import paste_box, resample_probability


@dataclass(frozen=True)
class Draft:
    """What was drawn: ``mask`` (uint8) and ``probability`` (float32) on the box, and what was left out."""

    mask: np.ndarray
    probability: np.ndarray
    dropped_ml: float


def draw(
    probability: np.ndarray, grid: Grid, place: Placement, threshold: float, smallest_lesion_ml: float
) -> Draft:
    """Draw the GTV in the box at the scan's own voxels.

    Args:
        probability: (z, y, x) float32 on the cache's grid.
        grid: the cache's grid.
        place: where the cache lies.
        threshold: voxels with at least this probability are drawn.
        smallest_lesion_ml: connected parts below this volume are dropped.
    """
    native = resample_probability(probability, grid, place.box)
    drawn = (native >= threshold).astype(np.uint8)
    kept = drop_small(drawn, place.scan.voxel_ml, smallest_lesion_ml)
    dropped_vox = int(drawn.sum(dtype=np.int64)) - int(kept.sum(dtype=np.int64))
    return Draft(kept, native, dropped_vox * place.scan.voxel_ml)


def as_stored(array: np.ndarray, place: Placement) -> np.ndarray:
    """An array on the box, put back into the scan and turned to its stored axes; zero elsewhere."""
    return place.orientation.undo(paste_box(array, place.box_start, place.scan.shape, 0))
