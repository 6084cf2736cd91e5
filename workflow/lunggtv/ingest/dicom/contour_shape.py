"""What one closed contour encloses, however it runs: by a keyhole round a hole, twice round, across itself.

Where a contour comes back to a point where it has been, it falls into loops. A loop within another is a hole, as a
keyhole makes it; a loop that is there already counts once. What a contour runs round twice, or once this way and once
the other, by crossing itself is inside, but for slips of the pen, where the even-odd rule of other readers is kept.
"""

from dataclasses import dataclass, field

import numpy as np

from lunggtv.boxes import Box, joint_box, size_of, within
from lunggtv.ingest.dicom.polygon_pairs import (
    AROUND,
    CROSSING,
    SAME,
    STEPS_PIXEL,
    STEPS_POINT,
    TOUCHING,
    WITHIN,
    Pairs,
    TangledContours,
)
from lunggtv.ingest.dicom.polygons import (
    enclosed,
    has_near_points,
    is_cut,
    length_of,
    on_centres,
    simple_loops,
    thinned,
    winding,
)
from lunggtv.masks import grown

UNTOLD = 1  # pixel of a slip: no more than where a border lies to a pixel's centre decides
SLIP = 0.02  # share of a contour's pixels that it may run round twice by a slip of the pen
THIN = 0.35  # pixels: no region is thinner all along, but a contour that runs there and back is
WIDE = 2.0  # pixels from the middle of such a contour at which something was meant to be inside
OPENING = 2 * np.pi / 3  # angle without a point, seen from its middle, at which it is a stroke and no outline
# Of a contour. One as large as the slice crosses its rows 2,000 times.
MAX_CROSSINGS = 2_000_000
MAX_POINTS = 20_000
MAX_LOOPS = 5_000
MAX_PIXELS = 20_000_000  # of all its loops


class FoldedContour(ValueError):
    """A contour that runs along itself there and back, so that it encloses next to nothing of what it runs round."""


@dataclass(frozen=True)
class ContourShape:
    """A contour on its slice.

    Attributes:
        polygon: (n, 2) vertices (y, x) in pixels.
        box: the part of the slice that holds its pixels.
        inside: bool, the pixels of that box that it encloses.
        holes: its loops that are holes in others.
        repeated: loops that are there already.
        crosses_itself: whether it runs round a good part of its inside more than once, which was taken as inside, or
            round parts of it in opposite directions.
        slips: pixels that it runs round twice by a slip, which are outside; 0 for a single one.
    """

    polygon: np.ndarray
    box: Box
    inside: np.ndarray
    holes: tuple["Loop", ...] = ()
    repeated: int = 0
    crosses_itself: bool = False
    slips: int = 0


@dataclass(frozen=True)
class Loop:
    """A part of a contour that comes back to its beginning, with the winding numbers in its box."""

    polygon: np.ndarray
    box: Box
    turns: np.ndarray
    inside: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inside", self.turns != 0)


def contour_shape(polygon: np.ndarray, shape: tuple[int, int], pairs: Pairs) -> ContourShape:
    """What a contour encloses.

    Args:
        polygon: (n, 2) vertices (y, x) in pixels, closed by itself.
        shape: rows and columns of the slice; what lies beyond is cut off.
        pairs: judges pairs of shapes, and counts the work.

    Raises:
        TangledContours, FoldedContour: see there.
    """
    polygon = thinned(polygon)
    if len(polygon) > MAX_POINTS or _crossings(polygon, shape[0]) > MAX_CROSSINGS:
        raise TangledContours
    loops = _loops(polygon, shape, pairs)
    if not loops:
        _check_folded(polygon, 0, shape)
        return ContourShape(polygon, (slice(0, 0), slice(0, 0)), np.zeros((0, 0), bool))
    crossing, repeated, inner = [], set(), set()
    for first, second in pairs.sharing_pixels(loops):
        what = pairs.relation(loops[first], loops[second], TOUCHING).what
        if what == SAME:
            repeated.add(second)
        elif what == CROSSING:
            crossing.append((first, second))
        else:
            inner.add({WITHIN: first, AROUND: second}[what])
    box = joint_box(*(loop.box for loop in loops))
    odd, twice, covered = (np.zeros(size_of(box), bool) for _ in range(3))
    for number, loop in enumerate(loops):
        if number in repeated:
            continue
        place = within(box, loop.box)
        odd[place] ^= loop.turns % 2 == 1
        twice[place] |= loop.inside & (loop.turns % 2 == 0) | _cancelled(loop, pairs)
        covered[place] |= loop.inside
    for first, second in crossing:
        twice |= _on(box, loops[first]) & _on(box, loops[second])
    slips = int(np.count_nonzero(twice))
    few = SLIP * int(np.count_nonzero(covered))
    crosses_itself = slips > few or any(_is_figure_of_eight(loop, few) for loop in loops)
    inside = odd | twice if crosses_itself else odd
    _check_folded(polygon, int(np.count_nonzero(inside)), shape)
    return ContourShape(
        polygon=polygon,
        box=box,
        inside=inside,
        holes=tuple(loops[number] for number in sorted(inner - repeated)),
        repeated=len(repeated),
        crosses_itself=crosses_itself,
        slips=0 if crosses_itself or slips <= UNTOLD else slips,
    )


def _loops(polygon: np.ndarray, shape: tuple[int, int], pairs: Pairs) -> list[Loop]:
    """The loops of a contour that hold pixels."""
    parts = [polygon]
    if has_near_points(polygon):
        pairs.take(STEPS_POINT * len(polygon))
        parts = simple_loops(polygon)
    if len(parts) > MAX_LOOPS:
        raise TangledContours
    loops, pixels = [], 0
    for part in parts:
        loop = Loop(part, *winding(part, shape))
        pixels += loop.turns.size
        if pixels > MAX_PIXELS:
            raise TangledContours
        if loop.inside.any():
            loops.append(loop)
    return loops


def _is_figure_of_eight(loop: Loop, few: float) -> bool:
    """Whether a loop runs round pixels this way and round others that way."""
    return bool(min(np.count_nonzero(loop.turns > 0), np.count_nonzero(loop.turns < 0)) > few)


def _cancelled(loop: Loop, pairs: Pairs) -> np.ndarray:
    """Pixels of a loop's box that it runs round once this way and once the other, so that its turns add up to none.

    Those are parts without a way out that have both directions around them, or nothing but a border too thin for
    pixels. A hole, and the middle of a ring, has one direction around it.
    """
    found = np.zeros(loop.turns.shape, bool)
    forward, backward = loop.turns > 0, loop.turns < 0
    if not (forward.any() and backward.any()):
        return found
    parts = np.where(loop.inside, 0, enclosed(loop.polygon, loop.box))
    for part in np.unique(parts[parts > 0]):
        pairs.take(STEPS_PIXEL * parts.size)
        own = parts == part
        around = grown(own, corners=False) & ~own
        thin = np.count_nonzero(around & ~loop.inside) > np.count_nonzero(around) / 2
        found |= own & (thin or (np.any(around & forward) and np.any(around & backward)))
    return found


def _check_folded(polygon: np.ndarray, pixels: int, shape: tuple[int, int]) -> None:
    """Raise FoldedContour if a contour walks round something, there and back."""
    from_middle = polygon - polygon.mean(axis=0)
    # Around a region of one thickness a border runs twice its length. Of what lies beyond the image nobody knows.
    if (
        is_cut(polygon, shape)
        or on_centres(polygon)
        or np.linalg.norm(from_middle, axis=1).max() < WIDE
        or 2 * pixels >= THIN * length_of(polygon)
    ):
        return
    angles = np.sort(np.arctan2(from_middle[:, 0], from_middle[:, 1]))
    if np.diff(angles, append=angles[0] + 2 * np.pi).max() < OPENING:
        raise FoldedContour


def _crossings(polygon: np.ndarray, rows: int) -> float:
    """About how often a polygon crosses a row of the slice."""
    height = np.clip(polygon[:, 0], 0, rows)
    return float(np.abs(np.diff(height, append=height[0])).sum())


def _on(box: Box, loop: Loop) -> np.ndarray:
    whole = np.zeros(size_of(box), bool)
    whole[within(box, loop.box)] = loop.inside
    return whole
