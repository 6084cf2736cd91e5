"""Boxes around masks: every metric is computed inside them, never on the whole volume."""

import numpy as np

Box = tuple[slice, slice, slice]


def mask_box(mask: np.ndarray) -> Box | None:
    """Smallest box that holds every voxel of a uint8 mask that is not 0; None if there is none."""
    in_slice = mask.reshape(mask.shape[0], -1).max(axis=1)
    if not in_slice.any():
        return None
    z = _extent(in_slice)
    plane = np.bitwise_or.reduce(mask[z], axis=0)
    return (z, _extent(plane.any(axis=1)), _extent(plane.any(axis=0)))


def union_box(first: Box, second: Box) -> Box:
    """Smallest box that holds two boxes."""
    z, y, x = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return (z, y, x)


def widened(box: Box, voxels: tuple[int, int, int], shape: tuple[int, ...]) -> Box:
    """The box with a margin on every side, cut at the ends of an array of ``shape``."""
    z, y, x = (
        slice(max(side.start - margin, 0), min(side.stop + margin, size))
        for side, margin, size in zip(box, voxels, shape, strict=True)
    )
    return (z, y, x)


def _extent(line: np.ndarray) -> slice:
    where = np.flatnonzero(line)
    return slice(int(where[0]), int(where[-1]) + 1)
