"""Masks on the voxels of an image: axes in another order or direction are turned, and crops find their place.

Tools store one grid in many ways: dcm2niix turns rows and writes LAS, others RAS or axes in another order. No voxel is
interpolated, so turning loses nothing; whether the turned grid is the image's is for the caller to check.
"""

import numpy as np

from lunggtv.geometry import Grid, Orientation, Shape, lps_orientation, shape_of

# Further from a whole number than this, a value of a mask is a fraction. A mask that was stored with a scale factor
# comes back off by up to one step of the stored type: 0.0000153 for int16, 0.004 for uint8.
WHOLE_WITHIN = 0.01


def aligned(array: np.ndarray, grid: Grid, onto: Grid) -> tuple[np.ndarray, Grid]:
    """An array with its axes (z, y, x) turned to run along those of another grid, as nearly as can be, and its grid.

    Args:
        array, grid: as stored.
        onto: the grid whose axes are wanted; it may have another shape, spacing and place.
    """
    turn = turn_between(grid, onto)
    return turn.apply(array), turn.apply_to_grid(grid)


def turn_between(grid: Grid, onto: Grid) -> Orientation:
    """The permutation and flips that bring the axes of a grid nearest to those of another."""
    relative = tuple((onto.matrix.T @ grid.matrix).reshape(-1).tolist())
    return lps_orientation(Grid(grid.shape, grid.spacing_mm, (0.0, 0.0, 0.0), relative))


def crop_start(grid: Grid, onto: Grid) -> Shape | None:
    """The voxel of ``onto`` nearest to the first one of ``grid``, if a box of its shape from there lies inside.

    Args:
        grid: with axes along those of ``onto``.
    """
    start = shape_of(np.rint(onto.index_zyx(grid.origin_mm)))
    inside = all(
        first >= 0 and first + count <= full
        for first, count, full in zip(start, grid.shape, onto.shape, strict=True)
    )
    return start if inside else None


def pasted(array: np.ndarray, start: Shape, shape: Shape) -> np.ndarray:
    """A mask of ``shape`` that holds ``array`` from voxel ``start`` on, and 0 elsewhere."""
    whole = np.zeros(shape, array.dtype)
    whole[tuple(slice(first, first + count) for first, count in zip(start, array.shape, strict=True))] = array
    return whole


def off_whole(array: np.ndarray) -> float:
    """How far the values (z, y, x) are from whole numbers, at most; NaN where one is not finite."""
    if array.dtype.kind in "iub":
        return 0.0
    with np.errstate(invalid="ignore"):
        return float(np.max([np.abs(slab - np.rint(slab)).max() for slab in array]))
