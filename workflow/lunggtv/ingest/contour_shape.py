"""What one closed contour encloses, however it runs: by a keyhole round a hole, twice round, across itself.

Where a contour comes back to a point where it has been, it falls into loops. A loop within another is a hole, as a
keyhole makes it; a loop that is there already counts once. What a contour runs round twice by crossing itself is
inside, but for slips of the pen, where the even-odd rule of other readers is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lunggtv.ingest.polygon_pairs import CROSSING, SAME, TOUCHING, Pairs, TangledContours, sharing_pixels
from lunggtv.ingest.polygons import Box, simple_loops, winding

UNTOLD = 1  # pixel of a slip: no more than where a border lies to a pixel's centre decides
SLIP = 0.02  # share of a contour's pixels that it may run round twice by a slip of the pen
# Of a contour. One as large as the slice crosses its rows 2,000 times.
MAX_CROSSINGS = 2_000_000
MAX_LOOPS = 5_000


@dataclass(frozen=True)
class ContourShape:
    """A contour on its slice.

    Attributes:
        polygon: (n, 2) vertices (y, x) in pixels.
        box: the part of the slice that holds its pixels.
        inside: bool, the pixels of that box that it encloses.
        repeated: loops that are there already.
        crosses_itself: whether it runs round a good part of its inside more than once; that was taken as inside.
        slips: pixels that it runs round twice by a slip, which are outside; 0 for a single one.
    """

    polygon: np.ndarray
    box: Box
    inside: np.ndarray
    repeated: int = 0
    crosses_itself: bool = False
    slips: int = 0


@dataclass(frozen=True)
class _Loop:
    polygon: np.ndarray
    box: Box
    turns: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        return self.turns != 0


def contour_shape(polygon: np.ndarray, shape: tuple[int, int], pairs: Pairs) -> ContourShape:
    """What a contour encloses.

    Args:
        polygon: (n, 2) vertices (y, x) in pixels, closed by itself.
        shape: rows and columns of the slice; what lies beyond is cut off.
        pairs: judges pairs of shapes on this slice.

    Raises:
        TangledContours: see there.
    """
    if _crossings(polygon, shape[0]) > MAX_CROSSINGS:
        raise TangledContours
    parts = simple_loops(polygon)
    if len(parts) > MAX_LOOPS:
        raise TangledContours
    loops = [loop for part in parts if (loop := _Loop(part, *winding(part, shape))).inside.any()]
    if not loops:
        return ContourShape(polygon, (slice(0, 0), slice(0, 0)), np.zeros((0, 0), bool))
    crossing, repeated = [], set()
    for first, second in sharing_pixels(loops):
        what, _ = pairs.relation(loops[first], loops[second], TOUCHING)
        if what == SAME:
            repeated.add(second)
        elif what == CROSSING:
            crossing.append((first, second))
    box = _common_box(loops)
    odd, twice, covered = (np.zeros([side.stop - side.start for side in box], bool) for _ in range(3))
    for number, loop in enumerate(loops):
        if number in repeated:
            continue
        place = _within(box, loop.box)
        odd[place] ^= loop.turns % 2 == 1
        twice[place] |= loop.inside & (loop.turns % 2 == 0)
        covered[place] |= loop.inside
    for first, second in crossing:
        both = _on(box, loops[first]) & _on(box, loops[second])
        twice |= both
    slips = int(np.count_nonzero(twice))
    crosses_itself = slips > SLIP * np.count_nonzero(covered)
    return ContourShape(
        polygon=polygon,
        box=box,
        inside=odd | twice if crosses_itself else odd,
        repeated=len(repeated),
        crosses_itself=crosses_itself,
        slips=0 if crosses_itself or slips <= UNTOLD else slips,
    )


def _crossings(polygon: np.ndarray, rows: int) -> float:
    """About how often a polygon crosses a row of the slice."""
    height = np.clip(polygon[:, 0], 0, rows)
    return float(np.abs(np.diff(height, append=height[0])).sum())


def _common_box(loops: Sequence[_Loop]) -> Box:
    rows, columns = (
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*(loop.box for loop in loops), strict=True)
    )
    return rows, columns


def _within(box: Box, part: Box) -> Box:
    rows, columns = (slice(p.start - b.start, p.stop - b.start) for b, p in zip(box, part, strict=True))
    return rows, columns


def _on(box: Box, loop: _Loop) -> np.ndarray:
    whole = np.zeros([side.stop - side.start for side in box], bool)
    whole[_within(box, loop.box)] = loop.inside
    return whole
