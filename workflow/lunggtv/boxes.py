"""Boxes of an array, one slice an axis."""

from collections.abc import Sequence

import numpy as np

Box = tuple[slice, ...]
BoxOfThree = tuple[slice, slice, slice]


def box_at(start: Sequence[int], shape: Sequence[int]) -> Box:
    """The box that begins at ``start`` and has ``shape`` voxels."""
    return tuple(slice(first, first + count) for first, count in zip(start, shape, strict=True))


def box_of(mask: np.ndarray) -> BoxOfThree | None:
    """The smallest box around a mask (z, y, x) of bool or uint8; None if it is empty."""
    in_slice = mask.reshape(mask.shape[0], -1).max(axis=1)
    if not in_slice.any():
        return None
    z = _extent(in_slice)
    plane = np.bitwise_or.reduce(mask[z], axis=0)
    return (z, _extent(plane.any(axis=1)), _extent(plane.any(axis=0)))


def size_of(box: Box) -> tuple[int, ...]:
    """The shape of a box."""
    return tuple(side.stop - side.start for side in box)


def joint_box(*boxes: Box) -> Box:
    """The smallest box that holds all of several boxes."""
    sides = zip(*boxes, strict=True)
    return tuple(slice(min(s.start for s in own), max(s.stop for s in own)) for own in sides)


def within(box: Box, part: Box) -> Box:
    """The place of a part of a box in an array that holds the box alone."""
    return box_at([p.start - b.start for b, p in zip(box, part, strict=True)], size_of(part))


def widened(box: Box, margin: Sequence[int], shape: Sequence[int]) -> Box:
    """The box with a margin in voxels on every side, cut at the ends of an array of ``shape``."""
    return tuple(
        slice(max(side.start - more, 0), min(side.stop + more, size))
        for side, more, size in zip(box, margin, shape, strict=True)
    )


def _extent(line: np.ndarray) -> slice:
    where = np.flatnonzero(line)
    return slice(int(where[0]), int(where[-1]) + 1)
