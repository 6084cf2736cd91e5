"""What the closed contours of one structure enclose on one slice: union, hole, or the same contour again.

DICOM (PS3.3, C.8.8.6.3) has contours that are taken away from one another (CLOSEDPLANAR_XOR) and contours that
each enclose a region (CLOSED_PLANAR), holes of which are walked to by a keyhole. Planning systems also write
holes as CLOSED_PLANAR contours within others. So:

- CLOSEDPLANAR_XOR: what is covered an even number of times is outside.
- A contour within another is a hole, one within the hole an island.
- Contours that cross are one region, for who draws a second contour across the first adds to it.
- The same contour again, from another first point, the other way round or with its points moved a little, is one
  contour. One within another that runs along it for a third of its way is joined with it: no hole lies like that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lunggtv.ingest.contour_shape import ContourShape, contour_shape
from lunggtv.ingest.polygon_pairs import CROSSING, SAME, WITHIN, Pairs, TangledContours, sharing_pixels

SAME_BORDER = 0.75  # of a pixel, of at most 1 mm: a thinner wall is none, but two drawings of one border
ALONG = 1 / 3  # share of a contour that runs along the one around it at which it is no hole
FEW = 16  # pixels of a hole that may run along by its size alone, as in the outlines of a mask's pixels
MOST = 0.75  # share of a region that a hole may take away without being doubted
# Of a structure on one slice.
MAX_CONTOURS = 5_000
MAX_PIXELS = 100_000_000

Relations = Mapping[tuple[int, int], str]


@dataclass(frozen=True)
class Region:
    """A structure on one slice.

    Attributes:
        inside: bool (y, x).
        repeated: contours, or loops of one, that are there already.
        crossing: contours that cross or run along others and were joined with them.
        crossing_themselves: contours that run round a good part of their inside twice; it was taken as inside.
        slips: pixels that contours run round twice by a slip, which are outside.
        holes: contours taken for holes.
        large_holes: those of them that take away most of what is around them.
        without_pixels: contours that enclose no pixel centre.
    """

    inside: np.ndarray
    repeated: int = 0
    crossing: int = 0
    crossing_themselves: int = 0
    slips: int = 0
    holes: int = 0
    large_holes: int = 0
    without_pixels: int = 0


def draw_region(
    polygons: Sequence[np.ndarray],
    exclusive: Sequence[bool],
    shape: tuple[int, int],
    spacing_mm: tuple[float, float],
) -> Region:
    """The region that contours of one structure enclose on a slice.

    Args:
        polygons: (n, 2) vertices (y, x) in pixels, each closed by itself.
        exclusive: for each of them whether it is a CLOSEDPLANAR_XOR.
        shape: rows and columns of the slice; what lies beyond is cut off.
        spacing_mm: (y, x) of its pixels.

    Raises:
        TangledContours: see there.
    """
    pairs = Pairs(spacing_mm)
    shapes: list[ContourShape] = []
    pixels = 0
    for polygon in polygons:
        shapes.append(contour_shape(polygon, shape, pairs))
        pixels += shapes[-1].inside.size
        if pixels > MAX_PIXELS or len(shapes) > MAX_CONTOURS:
            raise TangledContours
    relations = {
        (first, second): _relation(
            shapes[first], shapes[second], exclusive[first] or exclusive[second], pairs
        )
        for first, second in sharing_pixels(shapes)
    }
    groups = _groups(len(shapes), [pair for pair, what in relations.items() if what in (SAME, CROSSING)])
    inside = np.zeros(shape, bool)
    for members in groups:
        if len(members) == 1:
            inside[shapes[members[0]].box] ^= shapes[members[0]].inside
            continue
        region = np.zeros(shape, bool)
        for number in members:
            region[shapes[number].box] |= shapes[number].inside
        inside ^= region
    holes, large_holes = _holes(shapes, exclusive, groups, relations)
    return Region(
        inside=inside,
        repeated=len({second for (_, second), what in relations.items() if what == SAME})
        + sum(one.repeated for one in shapes),
        crossing=len({number for pair, what in relations.items() if what == CROSSING for number in pair}),
        crossing_themselves=sum(one.crosses_itself for one in shapes),
        slips=sum(one.slips for one in shapes),
        holes=holes,
        large_holes=large_holes,
        without_pixels=sum(not one.inside.any() for one in shapes),
    )


def _relation(one: ContourShape, other: ContourShape, exclusive: bool, pairs: Pairs) -> str | None:
    """As ``Pairs`` has it; None where both stand for themselves."""
    what, along = pairs.relation(one, other, SAME_BORDER)
    if what == SAME:
        return what
    inner = one if what == WITHIN else other
    runs_along = along > ALONG and np.count_nonzero(inner.inside) > FEW
    if what == CROSSING or runs_along:
        return None if exclusive else CROSSING
    return what


def _groups(count: int, joined: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Numbers up to ``count`` that hang together by pairs, each group in order."""
    group = list(range(count))
    for first, second in joined:
        old, new = sorted((group[first], group[second]), reverse=True)
        if old != new:
            group = [new if own == old else own for own in group]
    members: dict[int, list[int]] = {}
    for number, own in enumerate(group):
        members.setdefault(own, []).append(number)
    return list(members.values())


def _holes(
    shapes: Sequence[ContourShape],
    exclusive: Sequence[bool],
    groups: Sequence[Sequence[int]],
    relations: Relations,
) -> tuple[int, int]:
    """How many contours are holes by lying within others, and how many of these take away most of another."""
    group_of = {number: index for index, members in enumerate(groups) for number in members}
    around: dict[int, set[int]] = {}
    for (first, second), what in relations.items():
        if what not in (SAME, CROSSING, None):
            inner, outer = (first, second) if what == WITHIN else (second, first)
            around.setdefault(inner, set()).add(outer)
    holes, large = set(), set()
    for inner, outer in around.items():
        if exclusive[inner] or len({group_of[number] for number in outer}) % 2 == 0:
            continue
        holes.add(group_of[inner])
        smallest = min(np.count_nonzero(shapes[number].inside) for number in outer)
        if np.count_nonzero(shapes[inner].inside) > MOST * smallest:
            large.add(group_of[inner])
    return len(holes), len(large)
