"""Mask files on the voxels of a known grid: user's lungs, other tools' masks, and the two of the command line."""

from pathlib import Path

import numpy as np

from lunggtv.errors import UnusableMask
from lunggtv.geometry import Grid
from lunggtv.image_files import read_image
from lunggtv.mask_grids import WHOLE_WITHIN, aligned, off_whole
from lunggtv.wording import by

# Two grids are one if no corner lies farther apart along an axis: NIfTI stores positions as float32, and some tools as
# rounded quaternions; a tenth of a millimetre is a tenth of the smallest voxel.
GRID_TOLERANCE_MM = 0.1


def read_mask(path: str | Path, onto: Grid, owner: str) -> np.ndarray:
    """The whole numbers of a mask file, in the axis order of the grid on whose voxels it must lie.

    Args:
        onto: as the image is stored.
        owner: whose grid that is, for the messages.

    Raises:
        UnusableMask: other voxels, or values that are not whole.
        UnreadableImage: the file is missing or no whole image.
    """
    mask, grid = aligned(*read_whole(path), onto)
    if grid.shape != onto.shape:
        raise UnusableMask(
            f"{path}: is not on the grid of {owner}: it has {by(grid.shape)} voxels (z, y, x), {owner} has "
            f"{by(onto.shape)}. Write the mask on all voxels of it."
        )
    apart_mm = grid.point_mm(grid.corners) - onto.point_mm(onto.corners)
    if np.abs(apart_mm).max() > GRID_TOLERANCE_MM:
        raise UnusableMask(
            f"{path}: is not on the grid of {owner}: it lies up to {grid.offset_mm(onto):.2f} mm away (spacing "
            f"{grid.spacing_mm} mm against {onto.spacing_mm} mm, origin {grid.origin_mm} against {onto.origin_mm}). "
            "Write the mask on the original grid of the CT."
        )
    return mask


def read_whole(path: str | Path) -> tuple[np.ndarray, Grid]:
    """The values of a mask file as stored, and its grid; what a scale factor left beside whole numbers is rounded.

    Raises:
        UnusableMask: fractions, NaN or infinity.
        UnreadableImage: the file is missing or no whole image.
    """
    array, grid = read_image(path)
    off = off_whole(array)
    if not off <= WHOLE_WITHIN:
        found = ", ".join(f"{value:g}" for value in np.unique(array)[:10])
        raise UnusableMask(f"{path}: holds the values {found}; write the mask in whole numbers.")
    return np.rint(array) if off else array, grid
