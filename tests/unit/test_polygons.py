"""Closed polygons against plain loops over pixels, ways and edges."""

import math

import numpy as np
import pytest
from lunggtv.ingest.dicom.polygons import (
    enclosed,
    is_cut,
    length_of,
    on_centres,
    signed_distance,
    thinned,
    winding,
    with_steps,
)

SHAPE = (9, 12)
# Vertices off the pixel centres, so that nothing lies just on an edge.
RANDOM = np.random.default_rng(3)
POLYGONS = [
    np.round(RANDOM.uniform((-3, -3), (11, 14), (n, 2)), 2) + 0.003 for n in (3, 3, 4, 5, 7, 9, 12, 15)
]
LYING_ON_SIDES = np.array([(-0.4, -0.4), (-0.4, 11.4), (8.4, 11.4), (8.4, -0.4)])


def edges(polygon):
    return list(zip(polygon, np.roll(polygon, -1, axis=0), strict=True))


def turns(polygon, y, x):
    """How often the polygon runs round a point, from the angle it sweeps; from y to x counts as the positive turn."""
    angle = 0.0
    for a, b in edges(polygon):
        (ay, ax), (by, bx) = a - (y, x), b - (y, x)
        angle += math.atan2(ay * bx - ax * by, ay * by + ax * bx)
    return round(angle / (2 * math.pi))


def crosses(a, b, c, d):
    """Whether two segments cross; none of the ends lies on the other."""

    def side(p, q, r):
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]) > 0

    return side(a, b, c) != side(a, b, d) and side(c, d, a) != side(c, d, b)


@pytest.mark.parametrize("polygon", [*POLYGONS, LYING_ON_SIDES, LYING_ON_SIDES[::-1]])
def test_winding_numbers_are_those_of_the_angle(polygon):
    box, found = winding(polygon, SHAPE)
    whole = np.zeros(SHAPE, int)
    whole[box] = found
    expected = [[turns(polygon, y, x) for x in range(SHAPE[1])] for y in range(SHAPE[0])]
    assert whole.tolist() == expected


@pytest.mark.parametrize("polygon", [*POLYGONS, LYING_ON_SIDES, LYING_ON_SIDES[:, ::-1] * (9 / 12, 12 / 9)])
@pytest.mark.parametrize(
    "box", [(slice(0, 9), slice(0, 12)), (slice(2, 6), slice(3, 10)), (slice(-2, 11), slice(-2, 14))]
)
def test_enclosed_is_what_no_way_leads_out_of(polygon, box):
    """Ways from centre to centre in rows and columns, one beyond each side of the box too."""
    inside = [(y, x) for y in range(box[0].start, box[0].stop) for x in range(box[1].start, box[1].stop)]

    def open_to(place):
        for step in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            to = (place[0] + step[0], place[1] + step[1])
            if not any(crosses(place, to, a, b) for a, b in edges(polygon)):
                yield to

    part = {}
    for start in inside:
        if start in part:
            continue
        group, waiting, leaves = {start}, [start], False
        while waiting:
            for to in open_to(waiting.pop()):
                leaves |= not (box[0].start <= to[0] < box[0].stop and box[1].start <= to[1] < box[1].stop)
                if to not in group and not leaves:
                    group.add(to)
                    waiting.append(to)
        part |= dict.fromkeys(group, 0 if leaves else len(part) + 1)
    found = enclosed(polygon, box)
    pairs = {(int(found[y - box[0].start, x - box[1].start]), part[y, x]) for y, x in inside}
    assert found.shape == (box[0].stop - box[0].start, box[1].stop - box[1].start)
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    assert all((a == 0) == (b == 0) for a, b in pairs)


@pytest.mark.parametrize("reach", [np.inf, 1.5])
@pytest.mark.parametrize("polygon", POLYGONS)
def test_signed_distance_is_that_of_the_nearest_edge(polygon, reach):
    points = np.random.default_rng(1).uniform((-2, -2), (10, 13), (150, 2))
    found, looks = signed_distance(points, polygon, reach)
    for point, distance in zip(points, found, strict=True):
        nearest = min(
            math.dist(point, a + min(1.0, max(0.0, (point - a) @ (b - a) / ((b - a) @ (b - a)))) * (b - a))
            for a, b in edges(polygon)
        )
        assert distance == pytest.approx(min(nearest, reach) * (-1 if turns(polygon, *point) else 1))
    assert len(points) < looks <= len(points) * len(polygon) + 3 * len(polygon)


def test_length_and_steps_along_a_border():
    polygon = np.array([(0.0, 0.0), (0.0, 3.0), (4.0, 3.0)])
    assert length_of(polygon) == 12.0
    stepped = with_steps(polygon, 1.5)
    assert stepped.tolist() == [
        [0, 0], [0, 1.5], [0, 3], [4 / 3, 3], [8 / 3, 3], [4, 3], [3, 2.25], [2, 1.5], [1, 0.75],
    ]  # fmt: skip
    assert with_steps(polygon, 5.0).tolist() == polygon.tolist()


@pytest.mark.parametrize("axis", [0, 1])
def test_what_reaches_beyond_a_slice_is_cut(axis):
    for value, cut in ((-0.5, False), (-0.51, True), (SHAPE[axis] - 0.5, False), (SHAPE[axis] - 0.49, True)):
        polygon = np.array([(1.0, 1.0), (1.0, 2.0), (2.0, 2.0)])
        polygon[1, axis] = value
        assert is_cut(polygon, SHAPE) == cut


def test_outlines_on_pixel_centres_are_known():
    polygon = np.array([(y, 2.0) for y in range(40)])
    assert on_centres(polygon + 0.0009) and not on_centres(polygon + 0.0011)
    polygon[:2, 1] = 2.4
    assert not on_centres(polygon)  # 38 of 40
    polygon[1, 1] = 2.0
    assert on_centres(polygon)


def test_points_much_nearer_than_a_pixel_are_thinned():
    polygon = np.array([(0.0, 0.0102 * n) for n in range(20)])
    assert thinned(polygon)[:, 1].round(2).tolist() == [0.0, 0.05, 0.1, 0.15]
    assert thinned(polygon * 6).tolist() == (polygon * 6).tolist()
    assert thinned(polygon[:1]).tolist() == polygon[:1].tolist()
