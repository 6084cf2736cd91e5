"""How two closed polygons lie to each other: the same, one within the other, or across."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from lunggtv.ingest.polygons import Box, length_of, signed_distance, with_steps

# Lengths are shares of a pixel, of at most 1 mm: coarse pixels do not make drawing less exact.
TOUCHING = 0.1  # coordinates are rounded to a tenth of a millimetre at worst
STEP = 0.5  # of the points looked at along a border
CLEAR_PX = 2  # borders that pixels show to be this far apart need no measuring
# Pairs of a point and an edge that may be looked at on one slice; an outline within another needs 300,000.
MAX_LOOKS = 50_000_000

SAME, WITHIN, AROUND, CROSSING = "same", "within", "around", "crossing"


class TangledContours(ValueError):
    """Contours that run to and fro, or across one another, beyond what can be looked at."""


class Shape(Protocol):
    """A polygon (n, 2) in pixels and what it encloses: ``inside`` (bool) in ``box``, nothing outside."""

    polygon: np.ndarray
    box: Box
    inside: np.ndarray


class Pairs:
    """Looks at pairs of the shapes on one slice, and gives up where that would take too long.

    Args:
        spacing_mm: (y, x) of the pixels.
    """

    def __init__(self, spacing_mm: Sequence[float]) -> None:
        self.spacing_mm = np.asarray(spacing_mm, dtype=float)
        self.unit_mm = min(1.0, *spacing_mm)
        self._looks = 0.0

    def relation(self, one: Shape, other: Shape, same: float) -> tuple[str, float]:
        """How ``one`` lies to ``other``, which share pixels, and which share of the inner one runs along the other.

        Args:
            same: how far apart borders may lie, in the unit of TOUCHING, to be one.

        Returns:
            SAME; WITHIN or AROUND, if ``one`` does; else CROSSING, with the share 0.

        Raises:
            TangledContours: see there.
        """
        if clear := _clear_relation(one, other):
            return clear, 0.0
        border, other_border = one.polygon * self.spacing_mm, other.polygon * self.spacing_mm
        step_mm = STEP * self.unit_mm
        self._looks += (len(border) + length_of(border) / step_mm) * len(other_border)
        self._looks += (len(other_border) + length_of(other_border) / step_mm) * len(border)
        if self._looks > MAX_LOOKS:
            raise TangledContours
        same_mm, touching_mm = same * self.unit_mm, TOUCHING * self.unit_mm
        beyond_mm = signed_distance(with_steps(border, step_mm), other_border, self.unit_mm)
        other_beyond_mm = signed_distance(with_steps(other_border, step_mm), border, self.unit_mm)
        if max(np.abs(beyond_mm).max(), np.abs(other_beyond_mm).max()) <= same_mm:
            return SAME, 1.0
        for what, inner_mm, inner, outer in (
            (WITHIN, beyond_mm, one, other),
            (AROUND, other_beyond_mm, other, one),
        ):
            # A border within a ring may still run round what the ring leaves out.
            if inner_mm.max() <= touching_mm and not _reaches_beyond(inner, outer, 1):
                return what, float(np.mean(np.abs(inner_mm) <= same_mm))
        return CROSSING, 0.0


def sharing_pixels(shapes: Sequence[Shape]) -> Iterator[tuple[int, int]]:
    """Numbers of the pairs that have a pixel in common, the lower first."""
    low = np.array([[side.start for side in shape.box] for shape in shapes]).reshape(-1, 2)
    high = np.array([[side.stop for side in shape.box] for shape in shapes]).reshape(-1, 2)
    for first in range(len(shapes) - 1):
        meeting = np.all((low[first] < high[first + 1 :]) & (low[first + 1 :] < high[first]), axis=1)
        for second in np.flatnonzero(meeting) + first + 1:
            start, stop = np.maximum(low[first], low[second]), np.minimum(high[first], high[second])
            parts = (
                shapes[number].inside[tuple(map(slice, start - low[number], stop - low[number]))]
                for number in (first, second)
            )
            if np.logical_and(*parts).any():
                yield first, int(second)


def _clear_relation(one: Shape, other: Shape) -> str | None:
    """What pixels alone show, where borders lie far from each other; None where they do not."""
    first, second = _on_one_box(one, other)
    around_first, around_second = _grown(first, CLEAR_PX), _grown(second, CLEAR_PX)
    if np.any(first & ~around_second) and np.any(second & ~around_first):
        return CROSSING
    if not np.any(around_first & ~second):
        return WITHIN
    return None if np.any(around_second & ~first) else AROUND


def _reaches_beyond(one: Shape, other: Shape, pixels: int) -> bool:
    """Whether ``one`` has a pixel that is more than so many pixels away from ``other``."""
    first, second = _on_one_box(one, other)
    return bool(np.any(first & ~_grown(second, pixels)))


def _on_one_box(one: Shape, other: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Both insides on the box around both, with a margin."""
    low = [min(a.start, b.start) - CLEAR_PX for a, b in zip(one.box, other.box, strict=True)]
    high = [max(a.stop, b.stop) + CLEAR_PX for a, b in zip(one.box, other.box, strict=True)]
    both = np.zeros((2, high[0] - low[0], high[1] - low[1]), bool)
    for whole, shape in zip(both, (one, other), strict=True):
        rows, columns = (
            slice(side.start - at, side.stop - at) for side, at in zip(shape.box, low, strict=True)
        )
        whole[rows, columns] = shape.inside
    return both[0], both[1]


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask with its neighbours, corners too, up to so many pixels away."""
    for axis in (0, 1):
        grown = mask.copy()
        for step in range(1, pixels + 1):
            ahead = tuple(slice(step, None) if axis == own else slice(None) for own in (0, 1))
            behind = tuple(slice(None, -step) if axis == own else slice(None) for own in (0, 1))
            grown[ahead] |= mask[behind]
            grown[behind] |= mask[ahead]
        mask = grown
    return mask
