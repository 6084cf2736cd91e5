"""Between grids that share their axes: linear interpolation, one axis at a time, and the way back.

Linear interpolation is separable: in plane and through plane are handled one after the other, and an axis on
which two grids agree (same spacing, whole-voxel offset) is copied bit for bit. Beyond the outermost voxel
centres the border value continues; grids here differ there by less than one voxel.
"""

import math

import numpy as np

from lunggtv.geometry import Grid, Shape, Triple

# Offsets below a millionth of a voxel are rounding of origins and spacings, not geometry.
ROUNDING_VOX = 1e-6
MASK_LEVEL = 0.5
INT16_HU = (-32768, 32767)


def target_grid(box: Grid, spacing_mm: tuple[float | None, ...], keep_native_within: float) -> Grid:
    """The grid that covers ``box`` at another spacing; its first voxel's edges are those of the box.

    Args:
        box: the grid to cover.
        spacing_mm: wanted spacing (z, y, x); ``None`` keeps the box's own on that axis.
        keep_native_within: an axis whose own spacing differs from the wanted one by at most this share of it
            is kept as it is.

    Returns:
        ``box`` itself where all axes are kept; otherwise a grid whose last voxels may reach less than one
        voxel beyond the box.
    """
    shape, spacing, offset_vox = [], [], []
    for count, native_mm, wanted_mm in zip(box.shape, box.spacing_mm, spacing_mm, strict=True):
        kept = wanted_mm is None or abs(native_mm - wanted_mm) <= keep_native_within * wanted_mm + 1e-9
        new_mm = native_mm if kept else wanted_mm
        ratio = new_mm / native_mm
        shape.append(max(1, math.ceil(count / ratio - ROUNDING_VOX * count)))
        spacing.append(new_mm)
        offset_vox.append((ratio - 1.0) / 2.0)
    if tuple(spacing) == box.spacing_mm:
        return box
    x, y, z = (float(v) for v in box.point_mm(offset_vox))
    return Grid(tuple(shape), tuple(spacing), (x, y, z), box.direction)


def resample_ct(ct: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """HU (int16) on another grid: linear, rounded to the nearest HU; a copy where the grids agree."""
    values = _interpolate(ct, source, target)
    if values.dtype != np.int16:
        values = np.rint(values, out=values).clip(*INT16_HU).astype(np.int16)
    return values


def resample_mask(mask: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """A mask (uint8, 0 and 1) on another grid: where its linear interpolation is at least 0.5."""
    share = _interpolate(mask, source, target)
    return share if share.dtype == np.uint8 else (share >= MASK_LEVEL).astype(np.uint8)


def resample_probability(probability: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """Probabilities (float32) on another grid: linear; a copy where the grids agree."""
    return _interpolate(probability.astype(np.float32, copy=False), source, target)


def paste_box(array: np.ndarray, start: Shape, full_shape: Shape, fill: float) -> np.ndarray:
    """``array`` put at voxel ``start`` of a volume of ``full_shape`` that is ``fill`` elsewhere."""
    if min(start) < 0 or any(s + n > f for s, n, f in zip(start, array.shape, full_shape, strict=True)):
        raise ValueError(f"box {start} + {array.shape} leaves the volume of {full_shape} voxels")
    full = np.full(full_shape, fill, dtype=array.dtype)
    full[tuple(slice(s, s + n) for s, n in zip(start, array.shape, strict=True))] = array
    return full


def positions_vox(source: Grid, target: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the target's voxel centres lie in the source, in source voxels, for z, y and x.

    Raises:
        ValueError: the axes of the grids do not run in the same directions.
    """
    if not np.allclose(source.matrix, target.matrix, rtol=0.0, atol=1e-5):
        raise ValueError("the axes of two grids differ in direction; only their voxels may differ")
    start: Triple = tuple(source.index_zyx(target.origin_mm))
    axes = []
    for axis in range(3):
        ratio = target.spacing_mm[axis] / source.spacing_mm[axis]
        places = start[axis] + ratio * np.arange(target.shape[axis])
        whole = np.rint(places)
        close = np.abs(places - whole) <= ROUNDING_VOX * max(1, target.shape[axis])
        axes.append(np.where(close, whole, places))
    return (axes[0], axes[1], axes[2])


def _interpolate(array: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """Linear interpolation; the type stays as it is where no axis needs any, else float32."""
    if array.shape != source.shape:
        raise ValueError(f"an array of {array.shape} voxels cannot lie on a grid of {source.shape}")
    axes = positions_vox(source, target)
    ranges = [_range(places, count) for places, count in zip(axes, array.shape, strict=True)]
    part = array[tuple(slice(low, high) for low, high in ranges)]
    # The axis that shrinks most goes first: the others then have less to do.
    growth = [places.size / count for places, count in zip(axes, part.shape, strict=True)]
    for axis in sorted(range(3), key=growth.__getitem__):
        part = _along(part, axis, axes[axis] - ranges[axis][0])
    return part.copy() if np.may_share_memory(part, array) else part


def _range(places: np.ndarray, count: int) -> tuple[int, int]:
    """The source voxels that an axis needs."""
    low = min(max(math.floor(places[0]), 0), count - 1)
    high = min(max(math.ceil(places[-1]), 0), count - 1)
    return low, high + 1


def _along(array: np.ndarray, axis: int, places: np.ndarray) -> np.ndarray:
    last = array.shape[axis] - 1
    places = np.clip(places, 0.0, last)
    lower = np.floor(places).astype(np.intp)
    weight = (places - lower).astype(np.float32)
    if not weight.any():
        same = np.array_equal(lower, np.arange(last + 1))
        return array if same else np.take(array, lower, axis=axis)
    weight = weight.reshape([-1 if other == axis else 1 for other in range(3)])
    values = np.take(array, lower, axis=axis).astype(np.float32, copy=False)
    step = np.take(array, np.minimum(lower + 1, last), axis=axis).astype(np.float32, copy=False)
    step -= values
    step *= weight
    values += step
    return values
