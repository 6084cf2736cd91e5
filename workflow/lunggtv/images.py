"""The bridge to SimpleITK: the one place where arrays (z, y, x) meet images (x, y, z)."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lunggtv.geometry import Grid
from lunggtv.storage import whole_file


def grid_of(image: sitk.Image) -> Grid:
    """The grid of a three-dimensional image."""
    return Grid(
        tuple(reversed(image.GetSize())),
        tuple(reversed(image.GetSpacing())),
        tuple(image.GetOrigin()),
        tuple(image.GetDirection()),
    )


def to_image(array: np.ndarray, grid: Grid) -> sitk.Image:
    """An image with the voxels of ``array`` (z, y, x) on ``grid``."""
    if array.shape != grid.shape:
        raise ValueError(f"an array of {array.shape} voxels cannot lie on a grid of {grid.shape}")
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(tuple(reversed(grid.spacing_mm)))
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction)
    return image


def write_image(path: str | Path, array: np.ndarray, grid: Grid) -> None:
    """Write an image file (format by suffix, compressed), whole or not at all."""
    with whole_file(path) as partial:
        sitk.WriteImage(to_image(array, grid), str(partial), useCompression=True)


def read_image(path: str | Path) -> tuple[np.ndarray, Grid]:
    """Array and grid of an image file, as stored (not turned to LPS)."""
    image = sitk.ReadImage(str(path))
    return sitk.GetArrayFromImage(image), grid_of(image)
