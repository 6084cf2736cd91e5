"""Mask files: whole numbers on the voxels of a known grid, or refused by what is wrong."""

import numpy as np
import pytest
from lunggtv.errors import UnusableMask
from lunggtv.geometry import Grid
from lunggtv.image_files import write_image
from lunggtv.mask_files import read_mask, read_whole

GRID = Grid((2, 3, 4), (5.0, 2.0, 3.0), (10.0, -20.0, 30.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
VALUES = np.arange(24, dtype=np.float32).reshape(GRID.shape) - 2


@pytest.mark.parametrize("off", [-0.004, 0.004])
def test_what_a_scale_factor_left_beside_whole_numbers_is_rounded(tmp_path, off):
    path = tmp_path / "mask.nii.gz"
    write_image(path, VALUES + np.float32(off), GRID)
    for found in (read_whole(path)[0], read_mask(path, GRID, "the CT")):
        np.testing.assert_array_equal(found, VALUES)


@pytest.mark.parametrize("value", [0.98, 0.02, np.nan, np.inf])
def test_other_values_are_refused(tmp_path, value):
    path = tmp_path / "mask.nii.gz"
    array = VALUES.copy()
    array[1, 2, 3] = value
    write_image(path, array, GRID)
    with pytest.raises(
        UnusableMask, match=r"mask\.nii\.gz: holds the values .*; write the mask in whole numbers"
    ):
        read_whole(path)


def test_another_grid_is_refused_with_both_sizes(tmp_path):
    path = tmp_path / "mask.nii.gz"
    write_image(path, VALUES[:, 1:], GRID.cropped((0, 1, 0), (2, 2, 4)))
    with pytest.raises(UnusableMask) as caught:
        read_mask(path, GRID, "the CT")
    assert str(caught.value) == (
        f"{path}: is not on the grid of the CT: it has 2 x 2 x 4 voxels (z, y, x), the CT has 2 x 3 x 4. Write the "
        "mask on all voxels of it."
    )
