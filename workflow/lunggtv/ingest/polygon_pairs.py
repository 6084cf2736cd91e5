"""How two closed polygons lie to each other: the same, one within the other, or across."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from lunggtv.ingest.polygons import Box, length_of, signed_distance, with_steps

# Lengths are shares of a pixel, of at most 1 mm: coarse pixels do not make drawing less exact.
TOUCHING = 0.1  # coordinates are rounded to a tenth of a millimetre at worst
STEP = 0.5  # of the points looked at along a border
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
        border, other_border = one.polygon * self.spacing_mm, other.polygon * self.spacing_mm
        step_mm = STEP * self.unit_mm
        self._looks += (len(border) + length_of(border) / step_mm) * len(other_border)
        self._looks += (len(other_border) + length_of(other_border) / step_mm) * len(border)
        if self._looks > MAX_LOOKS:
            raise TangledContours
        beyond_mm = signed_distance(with_steps(border, step_mm), other_border)
        other_beyond_mm = signed_distance(with_steps(other_border, step_mm), border)
        same_mm, touching_mm = same * self.unit_mm, TOUCHING * self.unit_mm
        if max(np.abs(beyond_mm).max(), np.abs(other_beyond_mm).max()) <= same_mm:
            return SAME, 1.0
        for what, inner_mm in ((WITHIN, beyond_mm), (AROUND, other_beyond_mm)):
            if inner_mm.max() <= touching_mm:
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
