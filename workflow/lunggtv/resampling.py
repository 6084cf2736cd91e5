"""Between grids that share their axes: one axis at a time, there and back.

Linear interpolation is separable, so in plane and through plane are handled one after the other, and an axis
on which two grids agree (same spacing, whole-voxel offset) is copied bit for bit. Where a target voxel is as
long as two source voxels or more, linear interpolation would skip some of them: there the target is the mean
over its own length, as a thick slice of the scanner is (half the noise at 1 mm to 5 mm). Beyond the outermost
voxel centres the border value continues; grids here differ there by less than one voxel.
"""

import math

import numpy as np

from lunggtv.boxes import box_at, box_of
from lunggtv.geometry import Grid, Shape, three_of, triple_of

# Offsets below a millionth of a voxel are rounding of origins and spacings, not geometry.
ROUNDING_VOX = 1e-6
MASK_LEVEL = 0.5
MEAN_FROM_RATIO = 2.0
INT16_HU = (-32768, 32767)

# Per axis: where the target's voxel centres lie in source voxels, and a target voxel's length in them.
Places = tuple[np.ndarray, float]


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
        step_mm = native_mm
        if wanted_mm is not None and abs(native_mm - wanted_mm) > keep_native_within * wanted_mm + 1e-9:
            step_mm = wanted_mm
        ratio = step_mm / native_mm
        shape.append(max(1, math.ceil(count / ratio - ROUNDING_VOX * count)))
        spacing.append(step_mm)
        offset_vox.append((ratio - 1.0) / 2.0)
    if tuple(spacing) == box.spacing_mm:
        return box
    return Grid(three_of(shape), three_of(spacing), triple_of(box.point_mm(offset_vox)), box.direction)


def resample_ct(ct: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """HU (int16) on another grid, rounded to the nearest HU; a copy where the grids agree."""
    values = _interpolate(ct, _places(ct, source, target))
    if values.dtype != np.int16:
        values = np.rint(values, out=values).clip(*INT16_HU).astype(np.int16)
    return values


def resample_mask(mask: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """A mask (uint8, 0 and 1) on another grid: where its interpolation is at least 0.5."""
    axes = _places(mask, source, target)
    resampled = np.zeros(target.shape, dtype=np.uint8)
    box = box_of(mask)
    if box is None:
        return resampled
    # Only the part that the mask can reach is computed; a GTV fills a hundredth of its box.
    touched = [
        slice(*np.searchsorted(centres, (side.start - ratio - 1.0, side.stop - 1 + ratio + 1.0)))
        for side, (centres, ratio) in zip(box, axes, strict=True)
    ]
    if all(part.stop > part.start for part in touched):
        part_axes = [(centres[part], ratio) for (centres, ratio), part in zip(axes, touched, strict=True)]
        resampled[tuple(touched)] = _interpolate(mask, part_axes) >= MASK_LEVEL
    return resampled


def resample_probability(probability: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """Probabilities (float32) on another grid; a copy where the grids agree."""
    probability = probability.astype(np.float32, copy=False)
    return _interpolate(probability, _places(probability, source, target))


def paste_box(array: np.ndarray, start: Shape, full_shape: Shape, fill: float) -> np.ndarray:
    """``array`` put at voxel ``start`` of a volume of ``full_shape`` that is ``fill`` elsewhere."""
    if min(start) < 0 or any(s + n > f for s, n, f in zip(start, array.shape, full_shape, strict=True)):
        raise ValueError(f"box {start} + {array.shape} leaves the volume of {full_shape} voxels")
    full = np.full(full_shape, fill, dtype=array.dtype)
    full[box_at(start, array.shape)] = array
    return full


def _places(array: np.ndarray, source: Grid, target: Grid) -> list[Places]:
    """Where the target's voxels lie in the source, for z, y and x.

    Raises:
        ValueError: the array does not lie on ``source``, or the axes run in other directions.
    """
    if array.shape != source.shape:
        raise ValueError(f"an array of {array.shape} voxels cannot lie on a grid of {source.shape}")
    if not np.allclose(source.matrix, target.matrix, rtol=0.0, atol=1e-5):
        raise ValueError("the axes of two grids differ in direction; only their voxels may differ")
    first = source.index_zyx(target.origin_mm)
    axes = []
    for axis, count in enumerate(target.shape):
        ratio = target.spacing_mm[axis] / source.spacing_mm[axis]
        centres = first[axis] + ratio * np.arange(count)
        whole = np.rint(centres)
        is_whole = np.abs(centres - whole) <= ROUNDING_VOX * count
        axes.append((np.where(is_whole, whole, centres), ratio))
    return axes


def _interpolate(array: np.ndarray, axes: list[Places]) -> np.ndarray:
    """The array at places; its type stays as it is where no axis needs arithmetic, else float32."""
    windows = []
    for (centres, ratio), count in zip(axes, array.shape, strict=True):
        low = min(max(math.floor(centres[0] - ratio), 0), count - 1)
        high = min(max(math.ceil(centres[-1] + ratio), 0), count - 1)
        windows.append(slice(low, high + 1))
    part = array[tuple(windows)]
    # The axis that shrinks most goes first: the others then have less to do.
    growth = [centres.size / count for (centres, _), count in zip(axes, part.shape, strict=True)]
    for axis in sorted(range(3), key=growth.__getitem__):
        centres, ratio = axes[axis]
        along = _mean_along if ratio >= MEAN_FROM_RATIO else _linear_along
        part = along(part, axis, centres - windows[axis].start, ratio)
    return part.copy() if np.may_share_memory(part, array) else part


def _linear_along(array: np.ndarray, axis: int, centres: np.ndarray, ratio: float) -> np.ndarray:
    last = array.shape[axis] - 1
    centres = np.clip(centres, 0.0, last)
    lower = np.floor(centres).astype(np.intp)
    weight = (centres - lower).astype(np.float32)
    if not weight.any():
        if np.all(np.diff(lower) == 1):
            return array[(slice(None),) * axis + (slice(lower[0], lower[-1] + 1),)]
        return np.take(array, lower, axis=axis)
    values = np.take(array, lower, axis=axis).astype(np.float32, copy=False)
    step = np.take(array, np.minimum(lower + 1, last), axis=axis).astype(np.float32, copy=False)
    step -= values
    step *= _across(weight, axis)
    values += step
    return values


def _mean_along(array: np.ndarray, axis: int, centres: np.ndarray, ratio: float) -> np.ndarray:
    """Means over the target voxels' own lengths; source voxels count by the part that lies inside."""
    count = array.shape[axis]
    # Edges: source voxel i reaches from i to i + 1.
    lower = np.clip(centres + 0.5 - ratio / 2.0, 0.0, count - 1.0)
    upper = np.clip(centres + 0.5 + ratio / 2.0, lower + ROUNDING_VOX, float(count))
    first = np.floor(lower).astype(np.intp)
    shape = list(array.shape)
    shape[axis] = centres.size
    total = np.zeros(shape, dtype=np.float32)
    for index in (first + step for step in range(math.ceil(ratio) + 1)):
        share = np.minimum(upper, index + 1.0) - np.maximum(lower, index)
        share = np.maximum(share, 0.0) / (upper - lower)
        total += np.take(array, np.minimum(index, count - 1), axis=axis) * _across(share, axis)
    return total


def _across(weights: np.ndarray, axis: int) -> np.ndarray:
    """Weights along one axis, shaped to multiply a volume."""
    return weights.astype(np.float32).reshape([-1 if other == axis else 1 for other in range(3)])
