"""How two closed polygons lie to each other: the same, one within the other, or across."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lunggtv.boxes import Box, joint_box, size_of, within
from lunggtv.ingest.dicom.polygons import length_of, signed_distance, with_steps
from lunggtv.masks import grown

# Lengths are shares of a pixel, of at most 1 mm: coarse pixels do not make drawing less exact.
TOUCHING = 0.1  # coordinates are rounded to a tenth of a millimetre at worst
STEP = 0.5  # of the points looked at along a border
LEAST_STEPS = 100  # along a whole border
CLEAR_PX = 2  # borders that pixels show to be this far apart need no measuring
# What one structure may cost, in steps of some twenty nanoseconds: some twelve seconds.
MAX_STEPS = 600_000_000
STEPS_POINT, STEPS_PAIR, STEPS_PIXEL, STEPS_LOOK = 500, 1_000, 2, 4
STEPS_RELATION = 15_000

SAME, WITHIN, AROUND, CROSSING = "same", "within", "around", "crossing"


class TangledContours(ValueError):
    """Contours that run to and fro, or across one another, beyond what can be looked at."""


class Shape(Protocol):
    """A polygon (n, 2) in pixels and what it encloses: ``inside`` (bool) in ``box``, nothing outside."""

    @property
    def polygon(self) -> np.ndarray: ...

    @property
    def box(self) -> Box: ...

    @property
    def inside(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Relation:
    """How one shape lies to another that shares pixels with it.

    Attributes:
        what: SAME; WITHIN or AROUND, if the first one does; else CROSSING.
        along: share of the inner border that runs along the outer one, as near as borders that are the same.
        touching: share that touches it.
    """

    what: str
    along: float = 0.0
    touching: float = 0.0


class Pairs:
    """Looks at pairs of the shapes of one structure, and gives up where that would take too long.

    Args:
        spacing_mm: (y, x) of the pixels.
    """

    def __init__(self, spacing_mm: Sequence[float]) -> None:
        self.spacing_mm = np.asarray(spacing_mm, dtype=float)
        self.unit_mm = min(1.0, *spacing_mm)
        self._steps = 0.0

    def take(self, steps: float) -> None:
        """Count steps of work; raises TangledContours beyond what a structure may cost."""
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise TangledContours

    def relation(self, one: Shape, other: Shape, same: float) -> Relation:
        """How ``one`` lies to ``other``, which share pixels.

        Args:
            same: how far apart borders may lie, in the unit of TOUCHING, to be one.

        Raises:
            TangledContours: see there.
        """
        first, second = _on_one_box(one, other)
        self.take(STEPS_RELATION + STEPS_PIXEL * first.size)
        around_first, around_second = _grown(first, CLEAR_PX), _grown(second, CLEAR_PX)
        if np.any(first & ~around_second) and np.any(second & ~around_first):
            return Relation(CROSSING)
        if not np.any(around_first & ~second):
            return Relation(WITHIN)
        if not np.any(around_second & ~first):
            return Relation(AROUND)
        one_beyond = bool(np.any(first & ~_grown(second, 1)))
        other_beyond = bool(np.any(second & ~_grown(first, 1)))
        return self._measured(one, other, same, one_beyond, other_beyond)

    def _measured(
        self, one: Shape, other: Shape, same: float, one_beyond: bool, other_beyond: bool
    ) -> Relation:
        """By the distances of borders; ``beyond``: whether one has pixels apart from those of the other.

        A border within a ring may still run round what the ring leaves out.
        """
        same_mm, touching_mm = same * self.unit_mm, TOUCHING * self.unit_mm
        beyond_mm = self._beyond_mm(one, other)
        other_beyond_mm = self._beyond_mm(other, one)
        if max(np.abs(beyond_mm).max(), np.abs(other_beyond_mm).max()) <= same_mm:
            return Relation(SAME)
        for what, inner_mm, reaches in (
            (WITHIN, beyond_mm, one_beyond),
            (AROUND, other_beyond_mm, other_beyond),
        ):
            if inner_mm.max() <= touching_mm and not reaches:
                along, touching = (float(np.mean(np.abs(inner_mm) <= mm)) for mm in (same_mm, touching_mm))
                return Relation(what, along, touching)
        return Relation(CROSSING)

    def _beyond_mm(self, one: Shape, other: Shape) -> np.ndarray:
        """How far the border of ``one`` lies outside ``other``, at evenly spread points; negative inside."""
        border, other_border = one.polygon * self.spacing_mm, other.polygon * self.spacing_mm
        length_mm = length_of(border)
        step_mm = min(STEP * self.unit_mm, length_mm / LEAST_STEPS)
        self.take(STEPS_LOOK * (len(border) + length_mm / step_mm))
        beyond_mm, looks = signed_distance(with_steps(border, step_mm), other_border, self.unit_mm)
        self.take(STEPS_LOOK * looks)
        return beyond_mm

    def sharing_pixels(self, shapes: Sequence[Shape]) -> Iterator[tuple[int, int]]:
        """Numbers of the pairs that have a pixel in common, the lower first. Raises TangledContours."""
        low = np.array([[side.start for side in shape.box] for shape in shapes]).reshape(-1, 2)
        high = np.array([[side.stop for side in shape.box] for shape in shapes]).reshape(-1, 2)
        for first in range(len(shapes) - 1):
            meeting = np.all((low[first] < high[first + 1 :]) & (low[first + 1 :] < high[first]), axis=1)
            for second in map(int, np.flatnonzero(meeting) + first + 1):
                self.take(STEPS_PAIR)
                start, stop = np.maximum(low[first], low[second]), np.minimum(high[first], high[second])
                parts = (
                    shapes[number].inside[tuple(map(slice, start - low[number], stop - low[number]))]
                    for number in (first, second)
                )
                if np.logical_and(*parts).any():
                    yield first, second


def _on_one_box(one: Shape, other: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Both insides on the box around both, with a margin."""
    box = joint_box(one.box, other.box)
    both = np.zeros((2, *size_of(box)), bool)
    for whole, shape in zip(both, (one, other), strict=True):
        whole[within(box, shape.box)] = shape.inside
    first, second = np.pad(both, ((0, 0), (CLEAR_PX, CLEAR_PX), (CLEAR_PX, CLEAR_PX)))
    return first, second


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask with its neighbours, corners too, up to so many pixels away."""
    for _ in range(pixels):
        mask = grown(mask, corners=True)
    return mask
