"""What the closed contours of one structure enclose on one slice: union, hole, or the same contour again.

DICOM (PS3.3, C.8.8.6.3) has contours that are taken away from one another (CLOSEDPLANAR_XOR) and contours that
each enclose a region (CLOSED_PLANAR), holes of which are walked to by a keyhole. Planning systems also write
holes as CLOSED_PLANAR contours within others. So:

- CLOSEDPLANAR_XOR: what is covered an even number of times is outside.
- A contour within another is a hole, one within the hole an island.
- Contours that cross are one region, holes that cross one hole; a region that crosses another's hole is not cut.
- The same contour again, from another first point, the other way round or with its points moved a little, is one
  contour, and so is a hole that is there as a keyhole and as a contour. One within another that touches it for a
  third of its way is joined with it: no hole lies like that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from lunggtv.boxes import Box, joint_box, size_of, within
from lunggtv.ingest.dicom.contour_shape import ContourShape, contour_shape
from lunggtv.ingest.dicom.polygon_pairs import (
    AROUND,
    CROSSING,
    SAME,
    TOUCHING,
    WITHIN,
    Pairs,
    Relation,
    Shape,
    TangledContours,
)

SAME_BORDER = 0.75  # of a pixel, of at most 1 mm: a thinner wall is none, but two drawings of one border
TOUCHES = 1 / 3  # share of a contour that touches the one around it at which it is no hole
DOUBTFUL_ALONG = 0.1  # share of a hole that may run along the contour around it without being doubted
DOUBTFUL_SHARE = 0.5  # of a region that a hole may take away without being doubted
MAX_CONTOURS = 5_000  # of a structure on one slice
MAX_PIXELS = 100_000_000

Relations = Mapping[tuple[int, int], Relation]


@dataclass(frozen=True)
class Region:
    """A structure on one slice, and what was noticed.

    Attributes:
        inside: bool (y, x).
        repeated_contours: contours, or loops of one, that are there already.
        crossing_contours: contours that cross or touch others and were joined with them.
        contours_crossing_themselves: contours that run round a good part of their inside twice; it was taken as inside.
        contour_slips: pixels that contours run round twice by a slip, which are outside.
        holes: contours that are holes by lying within others.
        doubtful_holes: those of them that lie along a border or take away most of what is around them.
        mixed_contours: CLOSED_PLANAR and CLOSEDPLANAR_XOR contours that overlap.
        exclusive_crossing: CLOSEDPLANAR_XOR contours that cross one another.
        contours_without_voxels: contours that enclose no pixel centre.
    """

    inside: np.ndarray
    repeated_contours: int
    crossing_contours: int
    contours_crossing_themselves: int
    contour_slips: int
    holes: int
    doubtful_holes: int
    mixed_contours: int
    exclusive_crossing: int
    contours_without_voxels: int

    @property
    def counts(self) -> dict[str, int]:
        """What was noticed, by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "inside"}


@dataclass(frozen=True)
class _Area:
    """Pixels of a slice: ``inside`` (bool) in ``box``."""

    box: Box
    inside: np.ndarray
    pixels: int

    @staticmethod
    def around(shapes: Sequence[ContourShape]) -> "_Area":
        """All that the shapes enclose."""
        box = joint_box(*(one.box for one in shapes))
        inside = np.zeros(size_of(box), bool)
        for one in shapes:
            inside[within(box, one.box)] |= one.inside
        return _Area(box, inside, int(np.count_nonzero(inside)))


def draw_region(
    polygons: Sequence[np.ndarray], exclusive: Sequence[bool], shape: tuple[int, int], pairs: Pairs
) -> Region:
    """The region that contours of one structure enclose on a slice.

    Args:
        polygons: (n, 2) vertices (y, x) in pixels, each closed by itself.
        exclusive: for each of them whether it is a CLOSEDPLANAR_XOR.
        shape: rows and columns of the slice; what lies beyond is cut off.
        pairs: judges pairs of contours by the size of the pixels, and counts the work for the structure.

    Raises:
        TangledContours, FoldedContour: see there.
    """
    if len(polygons) > MAX_CONTOURS:
        raise TangledContours
    shapes: list[ContourShape] = []
    pixels = 0
    for polygon in polygons:
        shapes.append(contour_shape(polygon, shape, pairs))
        pixels += shapes[-1].inside.size
        if pixels > MAX_PIXELS:
            raise TangledContours
    relations = {
        (first, second): _relation(
            shapes[first], shapes[second], exclusive[first] or exclusive[second], pairs
        )
        for first, second in pairs.sharing_pixels(shapes)
    }
    again = _repeated_holes(shapes, pairs)
    # Who stands there twice is one from here on, with the pixels of both.
    first_of = _first_of(len(shapes), [pair for pair, one in relations.items() if one.what == SAME])
    members: dict[int, list[ContourShape]] = {}
    for number, first in enumerate(first_of):
        if first not in again:
            members.setdefault(first, []).append(shapes[number])
    areas = {first: _Area.around(own) for first, own in members.items()}
    between = {pair: one for pair, one in relations.items() if one.what != SAME and set(pair) <= areas.keys()}
    plain = {pair: one for pair, one in between.items() if not any(exclusive[number] for number in pair)}
    inside = _plain_region({n: area for n, area in areas.items() if not exclusive[n]}, plain, shape)
    for number, area in areas.items():
        if exclusive[number]:
            inside[area.box] ^= area.inside
    outer = _outer_of(between)
    holes = [inner for inner, level in _levels(areas, outer).items() if level % 2]
    return Region(
        inside=inside,
        repeated_contours=len(shapes) - len(areas) + sum(one.repeated for one in shapes),
        crossing_contours=len(
            {number for pair, one in plain.items() if one.what == CROSSING for number in pair}
        ),
        contours_crossing_themselves=sum(one.crosses_itself for one in shapes),
        contour_slips=sum(one.slips for one in shapes),
        holes=len(holes),
        doubtful_holes=sum(_is_doubtful(areas[hole], outer[hole], areas) for hole in holes),
        mixed_contours=len(
            {number for pair in between if exclusive[pair[0]] != exclusive[pair[1]] for number in pair}
        ),
        exclusive_crossing=len(
            {
                number
                for pair, one in between.items()
                if one.what == CROSSING and all(exclusive[number] for number in pair)
                for number in pair
            }
        ),
        contours_without_voxels=sum(not one.inside.any() for one in shapes),
    )


def _relation(one: ContourShape, other: ContourShape, exclusive: bool, pairs: Pairs) -> Relation:
    """As ``Pairs`` has it; a plain contour that touches the one around it all too long is none within it."""
    relation = pairs.relation(one, other, SAME_BORDER)
    if exclusive and relation.what == SAME:
        # A wall between CLOSEDPLANAR_XOR contours is meant, however thin.
        nearer = pairs.relation(one, other, TOUCHING)
        return nearer if nearer.what in (WITHIN, AROUND) else relation
    if relation.what in (WITHIN, AROUND) and relation.touching > TOUCHES and not exclusive:
        return Relation(CROSSING)
    return relation


def _repeated_holes(shapes: Sequence[ContourShape], pairs: Pairs) -> set[int]:
    """Contours that are the hole which another contour leaves out by a keyhole already."""
    holes = [hole for one in shapes for hole in one.holes]
    if not holes:
        return set()
    both: list[Shape] = [*shapes, *holes]
    return {
        first
        for first, second in pairs.sharing_pixels(both)
        if first < len(shapes) <= second
        and all(hole is not both[second] for hole in shapes[first].holes)
        and pairs.relation(both[first], both[second], SAME_BORDER).what == SAME
    }


def _first_of(count: int, joined: Sequence[tuple[int, int]]) -> list[int]:
    """For each number up to ``count`` the first of those that it hangs together with by pairs."""
    first_of = list(range(count))
    for first, second in joined:
        new, old = sorted((first_of[first], first_of[second]))
        if old != new:
            first_of = [new if own == old else own for own in first_of]
    return first_of


def _outer_of(relations: Relations) -> dict[int, dict[int, Relation]]:
    """The contours around each contour that lies within others."""
    outer: dict[int, dict[int, Relation]] = {}
    for (first, second), relation in relations.items():
        if relation.what in (WITHIN, AROUND):
            inner, around = (first, second) if relation.what == WITHIN else (second, first)
            outer.setdefault(inner, {})[around] = relation
    return outer


def _levels(areas: Mapping[int, _Area], outer: Mapping[int, Mapping[int, Relation]]) -> dict[int, int]:
    """How many contours lie around each one, those that cross one another counted as one."""
    levels: dict[int, int] = {}
    # Who is around is larger.
    for number in sorted(areas, key=lambda number: areas[number].pixels, reverse=True):
        levels[number] = 1 + max((levels.get(around, -1) for around in outer.get(number, ())), default=-1)
    return levels


def _plain_region(areas: Mapping[int, _Area], relations: Relations, shape: tuple[int, int]) -> np.ndarray:
    """Regions less their holes, islands in these, and so on."""
    inside = np.zeros(shape, bool)
    levels = _levels(areas, _outer_of(relations))
    across: dict[int, list[int]] = {number: [] for number in areas}
    for (first, second), relation in relations.items():
        if relation.what == CROSSING:
            across[first].append(second)
            across[second].append(first)
    for number in sorted(areas, key=lambda number: levels[number]):
        area = areas[number]
        if levels[number] % 2 == 0:
            inside[area.box] |= area.inside
            continue
        regions = [areas[other] for other in across[number] if levels[other] % 2 == 0]
        if not regions:
            inside[area.box] &= ~area.inside
            continue
        kept = np.zeros(shape, bool)
        for region in regions:
            kept[region.box] |= region.inside
        inside[area.box] &= ~area.inside | kept[area.box]
    return inside


def _is_doubtful(hole: _Area, outer: Mapping[int, Relation], areas: Mapping[int, _Area]) -> bool:
    smallest = min(areas[around].pixels for around in outer)
    along = max(relation.along for relation in outer.values())
    return along > DOUBTFUL_ALONG or hole.pixels > DOUBTFUL_SHARE * smallest
