"""What crop and resampling cost a label, on a label of which the box holds one half."""

import numpy as np
import pytest
from lunggtv.cache.gtv_losses import measure_losses
from lunggtv.cache.lung_box import Crop
from lunggtv.geometry import Grid
from lunggtv.resampling import resample_mask, target_grid

GRID = Grid((4, 8, 8), (5.0, 1.0, 1.0), (7.0, -3.0, 11.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
HALF = Crop((0, 0, 0), (4, 8, 4), (0, 0, 0), (0, 0), False, None, ())


def losses(spacing_mm, rows=slice(2, 6)):
    """32 voxels of 0.005 ml, 16 of them within the box; ``rows`` are theirs."""
    label = np.zeros(GRID.shape, np.uint8)
    label[1:3, rows, 2:6] = 1
    box = GRID.cropped(HALF.start, HALF.shape)
    cached = target_grid(box, spacing_mm, 0.0)
    return measure_losses(label, GRID, HALF, resample_mask(label, GRID, cached), cached)


@pytest.mark.parametrize("pixel_mm", [1.0, 2.0])
def test_the_part_beyond_the_box_is_lost_whatever_voxels_the_cache_has(pixel_mm):
    found = losses((5.0, pixel_mm, pixel_mm))
    assert (found.gtv_ml, found.gtv_lost_ml) == (pytest.approx(0.16), pytest.approx(0.08))


def test_the_round_trip_is_measured_within_the_box():
    assert losses((5.0, 1.0, 1.0)).round_trip_dice == 1.0
    # Rows 3 to 6 on pixels of two rows: 2 and 3, 4 and 5, 6 and 7 become one half each, which is inside.
    coarse = losses((5.0, 2.0, 1.0), rows=slice(3, 7))
    assert coarse.round_trip_dice == pytest.approx(2 * 16 / (16 + 24))
