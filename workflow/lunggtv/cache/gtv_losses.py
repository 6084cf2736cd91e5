"""What crop and resampling cost a label: volume outside the box, and the Dice that no model can exceed."""

from dataclasses import dataclass

import numpy as np

from lunggtv.boxes import box_at
from lunggtv.cache.lung_box import Crop
from lunggtv.geometry import Grid
from lunggtv.masks import dice
from lunggtv.resampling import resample_mask


@dataclass(frozen=True)
class Losses:
    """``round_trip_dice`` is that of the label inside the box, to the cache and back; ``None`` if none is."""

    gtv_ml: float
    gtv_lost_ml: float
    round_trip_dice: float | None


def measure_losses(
    label: np.ndarray, grid: Grid, crop: Crop, cached: np.ndarray, cached_grid: Grid
) -> Losses:
    """Measure what is lost of a label.

    Args:
        label: uint8 (z, y, x) on ``grid``, that of the CT.
        crop: the box.
        cached: the label in the cache, uint8 on ``cached_grid``.
    """
    inside = label[box_at(crop.start, crop.shape)]
    total_vox = int(np.count_nonzero(label))
    inside_vox = int(np.count_nonzero(inside))
    restored = resample_mask(cached, cached_grid, grid.cropped(crop.start, crop.shape))
    round_trip = dice(inside, restored) if inside_vox else None
    return Losses(total_vox * grid.voxel_ml, (total_vox - inside_vox) * grid.voxel_ml, round_trip)
