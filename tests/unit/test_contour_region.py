"""What contours enclose on a slice: counted by hand, against other formulas, and whatever way they are written."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lunggtv.ingest.dicom import polygon_pairs
from lunggtv.ingest.dicom.contour_region import Region, draw_region
from lunggtv.ingest.dicom.contour_shape import FoldedContour
from lunggtv.ingest.dicom.polygon_pairs import Pairs, TangledContours
from lunggtv.ingest.dicom.polygons import (
    length_of,
    signed_distance,
    simple_loops,
    thinned,
    winding,
    with_steps,
)
from scipy import ndimage

SHAPE = (60, 70)
SPACING_MM = (0.9, 1.1)


def draw(polygons: list[np.ndarray], shape: tuple[int, int] = SHAPE, exclusive: bool = False) -> Region:
    return draw_region(polygons, [exclusive] * len(polygons), shape, Pairs(SPACING_MM))


def rectangle(y0: float, y1: float, x0: float, x1: float) -> np.ndarray:
    return np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)], dtype=float)


def circle(radius: float, y: float = 30.2, x: float = 34.7, points: int = 90) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.column_stack([y + radius * np.sin(angle), x + radius * np.cos(angle)])


def disc(radius: float, y: float = 30.2, x: float = 34.7) -> np.ndarray:
    rows, columns = np.indices(SHAPE)
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def off(mask: np.ndarray, region: Region) -> int:
    """Pixels that differ from a shape known by its formula; a polygon of 90 corners lies a little inside its circle."""
    return int(np.count_nonzero(mask != region.inside))


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """The closed loops of pixel edges between inside and outside, walked edge by edge."""
    padded = np.pad(mask, 1)
    follows: dict[tuple[float, float], list[tuple[float, float]]] = {}
    for y in range(padded.shape[0] - 1):
        for x in range(padded.shape[1] - 1):
            if padded[y, x] != padded[y, x + 1]:
                ends = [(y - 1.5, x - 0.5), (y - 0.5, x - 0.5)]
                start, end = ends if padded[y, x] else ends[::-1]
                follows.setdefault(start, []).append(end)
            if padded[y, x] != padded[y + 1, x]:
                ends = [(y - 0.5, x - 0.5), (y - 0.5, x - 1.5)]
                start, end = ends if padded[y, x] else ends[::-1]
                follows.setdefault(start, []).append(end)
    loops = []
    while follows:
        start = next(iter(follows))
        loop, here = [], start
        while not loop or here != start:
            loop.append(here)
            ways = follows[here]
            step = ways.pop()
            if not ways:
                del follows[here]
            here = step
        loops.append(np.array(loop))
    return loops


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.floats(0.1, 0.9))
def test_outline_of_a_mask_gives_the_mask(rows: int, columns: int, seed: int, density: float) -> None:
    mask = np.random.default_rng(seed).random((rows, columns)) < density
    loops = outlines(mask)
    np.testing.assert_array_equal(draw(loops, mask.shape).inside, mask)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 12))
def test_winding_is_the_angle_swept_around_each_centre(seed: int, corners: int) -> None:
    """Against another formula, the winding number summed from angles; by it what a contour encloses."""
    polygon = np.random.default_rng(seed).uniform(-2, 12, (corners, 2))
    turns = np.zeros((10, 11), int)
    box, inside = winding(polygon, turns.shape)
    turns[box] = inside
    distance = signed_distance(np.argwhere(np.ones_like(turns)), polygon)[0].reshape(turns.shape)
    for y in range(10):
        for x in range(11):
            offset = polygon - (y, x)
            angle = np.arctan2(offset[:, 1], offset[:, 0])
            swept = (np.diff(np.append(angle, angle[0])) + np.pi) % (2 * np.pi) - np.pi
            assert turns[y, x] == round(swept.sum() / (2 * np.pi))
            assert (distance[y, x] < 0) == (turns[y, x] != 0)
    try:
        region = draw([polygon], turns.shape)
    except FoldedContour:
        assert 2 * np.count_nonzero(turns) < 0.35 * length_of(polygon), "a scribble, and no region"
        return
    if region.contours_crossing_themselves:
        # All that is run round, and what is run round once this way and once the other.
        assert region.inside[turns != 0].all()
    else:
        np.testing.assert_array_equal(region.inside, turns % 2 == 1)
        assert np.count_nonzero((turns != 0) & (turns % 2 == 0)) <= 0.02 * np.count_nonzero(turns)


def test_triangle_counted_by_hand() -> None:
    # Corners (0, 0), (0, 4), (4, 0): the legs lie on pixel centres at the low side and count, the
    # hypotenuse y + x = 4 is the high side and does not. Rows of 4, 3, 2, 1 pixels.
    drawn = draw([np.array([(0, 0), (0, 4), (4, 0)])], (6, 6)).inside
    assert drawn.sum(axis=1).tolist() == [4, 3, 2, 1, 0, 0]
    assert drawn[:, 0].tolist() == [True, True, True, True, False, False]


def test_edges_on_pixel_centres_are_shared_once() -> None:
    # Two rectangles side by side, the common edge at x = 3: every pixel belongs to exactly one of them.
    left, right = draw([rectangle(1, 4, 0, 3)], (6, 8)).inside, draw([rectangle(1, 4, 3, 6)], (6, 8)).inside
    assert not np.any(left & right)
    assert left.sum() == right.sum() == 3 * 3


def test_inner_contour_is_a_hole_and_an_island_inside_it_is_not() -> None:
    nest = [rectangle(0.5, 8.5, 0.5, 8.5), rectangle(2.5, 6.5, 2.5, 6.5), rectangle(3.5, 5.5, 3.5, 5.5)]
    assert draw(nest, (10, 10)).inside.sum() == 8 * 8 - 4 * 4 + 2 * 2


@pytest.mark.parametrize("bank", [4.0, 4.1234567])
def test_keyhole_contour_is_a_ring_without_a_cut(bank: float) -> None:
    # Outer square, along a channel of no width to the inner square, round it the other way, and back.
    keyhole = np.array(
        [
            (0.5, bank), (0.5, 8.5), (8.5, 8.5), (8.5, 0.5), (0.5, 0.5), (0.5, bank),
            (2.5, bank), (2.5, 2.5), (6.5, 2.5), (6.5, 6.5), (2.5, 6.5), (2.5, bank),
        ]
    )  # fmt: skip
    ring = draw([rectangle(0.5, 8.5, 0.5, 8.5), rectangle(2.5, 6.5, 2.5, 6.5)], (10, 10)).inside
    np.testing.assert_array_equal(draw([keyhole], (10, 10)).inside, ring)


def test_slanted_keyhole_channel_leaves_no_crack() -> None:
    # The channel runs through pixel centres at a slope that has no exact binary fraction.
    a, b = np.array((0.5, 1.1)), np.array((6.5, 7.3))
    outer = [(0.5, 0.5), (9.5, 0.5), (9.5, 9.5), (0.5, 9.5)]
    inner = [tuple(b), (6.5, 8.5), (8.5, 8.5), (8.5, 7.3)]
    keyhole = np.array([tuple(a), *outer, tuple(a), *inner, tuple(b)])
    expected = draw([rectangle(0.5, 9.5, 0.5, 9.5), np.array(inner)], (11, 11)).inside
    np.testing.assert_array_equal(draw([keyhole], (11, 11)).inside, expected)


def test_what_lies_beyond_the_image_is_cut_off() -> None:
    assert draw([rectangle(-5, 50, -5, 50)], (4, 3)).inside.all()
    assert draw([rectangle(-5, 1.5, 1.5, 50)], (4, 3)).inside.sum() == 2 * 1
    assert not draw([rectangle(10, 20, 10, 20)], (4, 3)).inside.any()


# --- the same contour twice -----------------------------------------------------------------------------------


def halved(polygon: np.ndarray) -> np.ndarray:
    """Points added in the middle of every edge."""
    return np.stack([polygon, (polygon + np.roll(polygon, -1, axis=0)) / 2], axis=1).reshape(-1, 2)


TWICE = {
    "as it is": lambda p: p,
    "from another point": lambda p: np.roll(p, 7, axis=0),
    "closed by its first point": lambda p: np.vstack([p, p[:1]]),
    "reversed": lambda p: p[::-1],
    "reversed from another point": lambda p: np.roll(p[::-1], 11, axis=0),
    "with more points": halved,
    "with fewer points": lambda p: p[::2],
    "every point twice": lambda p: np.repeat(p, 2, axis=0),
    "0.004 beside": lambda p: p + np.array((0.004, 0.003)),
    "0.3 beside": lambda p: p + np.array((0.3, -0.2)),
    "rounded to tenths": lambda p: np.round(p, 1),
    "a little smaller": lambda p: (p - (30.2, 34.7)) * 0.97 + (30.2, 34.7),
    "a little larger": lambda p: (p - (30.2, 34.7)) * 1.02 + (30.2, 34.7),
    "noisy": lambda p: p + np.random.default_rng(1).normal(0, 0.1, p.shape),
}


NESTED = ("a little smaller", "a little larger")


@pytest.mark.parametrize("twin", TWICE)
@pytest.mark.parametrize("exclusive", [False, True])
def test_a_contour_that_stands_twice_is_one(twin: str, exclusive: bool) -> None:
    if exclusive and twin in NESTED:
        pytest.skip("a thin wall between CLOSEDPLANAR_XOR contours is meant")
    once, again = circle(18.3), TWICE[twin](circle(18.3))
    for both in ([once, again], [again, once]):
        region = draw(both, exclusive=exclusive)
        expected = draw([once]).inside | draw([again]).inside
        np.testing.assert_array_equal(region.inside, expected)
        assert (region.repeated_contours, region.crossing_contours, region.holes) == (1, 0, 0)
    assert draw([once, again, once]).repeated_contours == 2


@pytest.mark.parametrize("turns", [2, 3])
def test_a_contour_that_runs_round_more_than_once_is_one(turns: int) -> None:
    region = draw([np.tile(circle(18.3), (turns, 1))])
    np.testing.assert_array_equal(region.inside, draw([circle(18.3)]).inside)
    assert region.repeated_contours == turns - 1


@pytest.mark.parametrize("order", list(permutations((10.0, 10.6, 11.2))))
def test_versions_that_hang_together_through_a_third_are_one(order) -> None:
    """Walls of 0.6 pixels are none; that of 1.2 between the outer two would be one."""
    region = draw([circle(radius) for radius in order])
    assert off(disc(11.2), region) <= 2 and region.holes == 0


def test_a_hole_that_stands_twice_stays_a_hole() -> None:
    region = draw([circle(18.3), circle(7.1), circle(7.1)[::-1] + np.array((0.01, 0.0))])
    assert off(disc(18.3) & ~disc(7.1), region) <= 4
    assert (region.repeated_contours, region.holes) == (1, 1)


# --- across, beside, within ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [1.2, 2.5, 6.0, 14.0, 30.0])
def test_contours_that_cross_are_joined(shift: float) -> None:
    y = 30.2 - shift / 2
    region = draw([circle(12.3, y), circle(12.3, y + shift)])
    assert off(disc(12.3, y) | disc(12.3, y + shift), region) <= 6
    assert region.crossing_contours == (2 if shift < 24 else 0)


def test_a_small_contour_across_the_border_of_a_large_one_adds_to_it() -> None:
    region = draw([circle(18.3), circle(5.2, y=30.2 + 16.0)])
    assert off(disc(18.3) | disc(5.2, y=30.2 + 16.0), region) <= 4
    assert region.crossing_contours == 2


def test_a_hole_in_two_contours_that_cross_is_one() -> None:
    region = draw([circle(14.3, x=28.0), circle(14.3, x=40.0), circle(3.1, x=34.0)])
    assert off((disc(14.3, x=28.0) | disc(14.3, x=40.0)) & ~disc(3.1, x=34.0), region) <= 6
    assert (region.crossing_contours, region.holes) == (2, 1)


def test_two_holes_that_cross_are_one_hole() -> None:
    region = draw([circle(20.3), circle(5.3, x=31.0), circle(5.3, x=38.0)])
    assert off(disc(20.3) & ~(disc(5.3, x=31.0) | disc(5.3, x=38.0)), region) <= 6


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        (rectangle(9.5, 14.5, 9.5, 14.5), rectangle(9.5, 13.5, 9.5, 13.5)),
        (rectangle(9.5, 13.5, 9.5, 13.5), rectangle(9.5, 13.5, 9.5, 12.5)),
        (rectangle(9.5, 15.5, 9.5, 15.5), rectangle(9.5, 13.5, 9.5, 13.5)),
        (rectangle(9.5, 17.5, 9.5, 11.5), rectangle(9.5, 17.5, 9.5, 10.5)),
        # Along one side alone: left, right, top, bottom.
        (rectangle(9.5, 31.5, 9.5, 31.5), rectangle(13.5, 25.5, 9.5, 13.5)),
        (rectangle(9.5, 31.5, 9.5, 31.5), rectangle(13.5, 25.5, 27.5, 31.5)),
        (rectangle(9.5, 31.5, 9.5, 31.5), rectangle(9.5, 13.5, 13.5, 25.5)),
        (rectangle(9.5, 31.5, 9.5, 31.5), rectangle(27.5, 31.5, 13.5, 25.5)),
    ],
)
def test_a_small_older_version_at_the_border_is_no_hole(newer: np.ndarray, older: np.ndarray) -> None:
    region = draw([newer, older])
    np.testing.assert_array_equal(region.inside, draw([newer]).inside)
    assert (region.crossing_contours, region.holes) == (2, 0)


def test_a_hole_along_the_border_is_doubted() -> None:
    older = circle(18.3)
    newer = older.copy()
    newer[10:] += (newer[10:] - (30.2, 34.7)) * 0.3
    region = draw([newer, older + 0.2 * np.sign(older - np.array((30.2, 34.7))) * -1])
    assert region.doubtful_holes == 1 or region.crossing_contours == 2


def test_an_older_version_within_a_contour_is_no_hole() -> None:
    """Two versions of one border that part company at one side: cut out, the older would leave that side alone."""
    older = circle(18.3)
    newer = older.copy()
    newer[20:40] += (newer[20:40] - (30.2, 34.7)) * 0.4
    region = draw([newer, older])
    np.testing.assert_array_equal(region.inside, draw([newer]).inside)
    assert (region.crossing_contours, region.holes) == (2, 0)


@pytest.mark.parametrize("radius", [3.0, 10.0, 12.5])
def test_a_hole_is_told(radius: float) -> None:
    region = draw([circle(18.3), circle(radius)])
    assert off(disc(18.3) & ~disc(radius), region) <= 6
    assert (region.holes, region.doubtful_holes, region.crossing_contours) == (1, 0, 0)


def test_a_hole_that_takes_most_away_is_doubted() -> None:
    region = draw([circle(18.3), circle(16.9)])
    assert (region.holes, region.doubtful_holes) == (1, 1)
    assert region.inside.any()


def test_islands_are_no_holes() -> None:
    nest = [circle(20.3), circle(13.1), circle(6.2)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        region = draw([nest[i] for i in order])
        assert off(disc(20.3) & ~disc(13.1) | disc(6.2), region) <= 6
        assert region.holes == 1


@pytest.mark.parametrize("wall", [0.3, 0.6, 1.5])
def test_a_thin_wall_between_exclusive_contours_is_meant(wall: float) -> None:
    region = draw([circle(18.3), circle(18.3 - wall)], exclusive=True)
    assert off(disc(18.3) & ~disc(18.3 - wall), region) <= 8
    assert (region.repeated_contours, region.holes, region.doubtful_holes) == (0, 1, 1)


def test_exclusive_contours_follow_the_even_odd_rule() -> None:
    region = draw([circle(18.3), circle(9.0), circle(9.0, x=50.0)], exclusive=True)
    assert off(disc(18.3) ^ disc(9.0) ^ disc(9.0, x=50.0), region) <= 8
    assert (region.crossing_contours, region.holes, region.doubtful_holes, region.repeated_contours) == (
        0,
        1,
        0,
        0,
    )
    assert region.exclusive_crossing == 3
    assert draw([circle(18.3), circle(16.0)], exclusive=True).doubtful_holes == 1


def test_an_exclusive_contour_cuts_into_a_plain_one() -> None:
    region = draw_region([circle(18.3), circle(9.0, x=50.0)], [False, True], SHAPE, Pairs(SPACING_MM))
    assert off(disc(18.3) ^ disc(9.0, x=50.0), region) <= 6
    assert (region.mixed_contours, region.crossing_contours) == (2, 0)


def test_contours_side_by_side_are_not_joined_aloud() -> None:
    region = draw([rectangle(3, 20, 3, 15), rectangle(3, 20, 15, 30)])
    np.testing.assert_array_equal(region.inside, draw([rectangle(3, 20, 3, 30)]).inside)
    assert region.crossing_contours == 0


def test_the_order_of_contours_does_not_matter() -> None:
    contours = [circle(18.3), circle(5.0), circle(6.0, x=54.0), circle(4.0, y=8.0, x=8.0), circle(18.3)[::-1]]
    rng = np.random.default_rng(3)
    first = draw(contours)
    for _ in range(5):
        again = draw([contours[i] for i in rng.permutation(5)])
        np.testing.assert_array_equal(again.inside, first.inside)
        assert (again.crossing_contours, again.holes, again.repeated_contours) == (
            first.crossing_contours,
            first.holes,
            first.repeated_contours,
        )


# --- one contour across itself --------------------------------------------------------------------------------


def keyhole(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    return np.vstack([outer, outer[:1], inner, inner[:1], outer[:1]])


@pytest.mark.parametrize(
    "inner", [circle(7.1), circle(7.1)[::-1]], ids=["the same way round", "the other way"]
)
def test_a_keyhole_is_a_hole_whichever_way_it_runs(inner: np.ndarray) -> None:
    region = draw([keyhole(circle(18.3), inner)])
    assert off(disc(18.3) & ~disc(7.1), region) <= 4
    assert (region.contours_crossing_themselves, region.repeated_contours, region.crossing_contours) == (
        0,
        0,
        0,
    )


def test_a_hole_that_is_there_as_a_keyhole_and_as_a_contour_is_one() -> None:
    for hole in (circle(7.1), circle(7.1)[::-1], circle(6.8)):
        region = draw([keyhole(circle(18.3), circle(7.1)[::-1]), hole])
        assert off(disc(18.3) & ~disc(7.1), region) <= 4
        assert region.repeated_contours == 1


@pytest.mark.parametrize("gap", [0.0, 0.0006, 0.01])
@pytest.mark.parametrize("way", [1, -1])
def test_a_keyhole_whose_ends_do_not_quite_meet_is_a_hole(gap: float, way: int) -> None:
    outer, inner = circle(18.3), circle(7.1)[::way]
    walk = np.vstack([outer, outer[:1] + gap, inner, inner[:1] - gap, outer[:1] - gap])
    region = draw([walk])
    assert off(disc(18.3) & ~disc(7.1), region) <= 8
    assert region.contours_crossing_themselves == 0


def test_a_twist_in_the_outline_of_a_ring_does_not_fill_its_hole() -> None:
    """The contour runs out along a channel of a tenth of a pixel, round the hole and back; half-way round it loops."""
    angle = np.linspace(0.005, 2 * np.pi - 0.005, 181)[:, None]
    around = np.hstack([np.sin(angle), np.cos(angle)])
    outer, inner = (30.2, 34.7) + 20 * around, ((30.2, 34.7) + 9 * around)[::-1]
    out, along = around[90], np.array([-around[90][1], around[90][0]])
    steps = ((0.5, 1), (-2, 2), (-2, 6), (2, 6), (2, 2), (-0.5, 1))
    loop = [outer[90] + a * along + b * out for a, b in steps]
    region = draw([np.concatenate([outer[:90], loop, outer[91:], inner])])
    assert not region.inside[30, 34]
    assert region.inside.sum() == pytest.approx(np.pi * (20**2 - 9**2), abs=25)


def test_a_region_across_the_hole_of_another_is_not_cut() -> None:
    region = draw([circle(20.0, x=30.0), circle(6.0, x=40.0), circle(8.0, x=50.0)])
    assert off(disc(20.0, x=30.0) & ~disc(6.0, x=40.0) | disc(8.0, x=50.0), region) <= 8
    assert (region.holes, region.crossing_contours) == (1, 3)


@pytest.mark.parametrize("offset", [0.0, 0.0005, 0.2])
@pytest.mark.parametrize("closed", [False, True])
def test_a_contour_that_runs_there_and_back_never_vanishes(offset: float, closed: bool) -> None:
    there = circle(15.0)
    walk = np.vstack([there, *([there[:1]] if closed else []), there[::-1] + offset])
    try:
        region = draw([walk])
    except FoldedContour:
        return
    assert off(disc(15.0), region) <= 40
    assert region.contours_crossing_themselves + region.repeated_contours >= 1


@pytest.mark.parametrize("gap", [0.0, 0.01])
def test_lobes_in_opposite_directions_lose_no_overlap(gap: float) -> None:
    right, left = np.arctan2(np.sqrt(80), 8), np.arctan2(np.sqrt(80), -8)
    turn = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    first = np.column_stack([30 + 12 * np.sin(right + turn), 27 + 12 * np.cos(right + turn)])
    second = np.column_stack([30 + 12 * np.sin(left - turn), 43 + 12 * np.cos(left - turn)])
    region = draw([np.vstack([first, first[:1] + gap, second + 2 * gap, second[:1] + gap])])
    assert off(disc(12, y=30, x=27) | disc(12, y=30, x=43), region) <= 12
    assert region.contours_crossing_themselves == 1


def test_a_stroke_of_the_pen_is_no_folded_contour() -> None:
    line = np.column_stack([np.linspace(10.2, 30.2, 20), np.linspace(5.1, 40.3, 20)])
    region = draw([np.vstack([line, line[::-1] + 0.05])])
    assert region.inside.sum() < 30


def test_a_contour_whose_ends_overlap_loses_nothing() -> None:
    """A C-shaped stroke around a cavity that goes on over its own beginning."""
    angle = np.linspace(0, 2 * np.pi + 0.9, 120)
    outer = np.column_stack([30.2 + 18.0 * np.sin(angle), 34.7 + 18.0 * np.cos(angle)])
    inner = np.column_stack([30.2 + 8.0 * np.sin(angle), 34.7 + 8.0 * np.cos(angle)])[::-1]
    region = draw([np.vstack([outer, inner])])
    assert off(disc(18.0) & ~disc(8.0), region) <= 12
    assert region.contours_crossing_themselves == 1


def test_a_figure_of_eight_is_two_regions() -> None:
    region = draw([np.array([(10.0, 10.0), (30.0, 50.0), (10.0, 50.0), (30.0, 10.0)])])
    angle = draw(
        [np.array([(10.0, 10.0), (20.0, 30.0), (30.0, 10.0)]), np.array([(20.0, 30.0), (30, 50), (10, 50)])]
    )
    np.testing.assert_array_equal(region.inside, angle.inside)
    assert region.contours_crossing_themselves == 1


def test_a_part_that_a_contour_runs_round_in_both_directions_is_no_hole() -> None:
    """Lobes over one another: in 161 pixels one turn this way and one that way add up to none."""
    corners = [(34, 26), (46, 44), (7, 29), (42, 7), (21, 27), (18, 35), (49, 20), (39, 9)]
    region = draw([np.array(corners) + 0.2])
    filled = ndimage.binary_fill_holes(region.inside)
    assert (filled.sum(), region.contours_crossing_themselves) == (612, 1)
    np.testing.assert_array_equal(region.inside, filled)


def test_a_slip_of_the_pen_is_left_to_the_even_odd_rule_and_told() -> None:
    # A small curl inwards at the border: 2 % of the region at most are run round twice.
    curl = circle(2.6, y=30.2 + 15.4)
    slip = np.vstack([circle(18.3)[:23], np.roll(curl, -22, axis=0), circle(18.3)[23:]])
    region = draw([slip])
    assert (region.contour_slips, region.contours_crossing_themselves) == (20, 0)
    assert off(disc(18.3) & ~disc(2.6, y=30.2 + 15.4), region) <= 6


def test_a_contour_over_the_hole_of_another_fills_it() -> None:
    """An island drawn larger than the hole that a keyhole leaves: its border lies in the ring, its inside does not."""
    region = draw([keyhole(circle(18.3), circle(7.1)[::-1]), circle(10.4)])
    np.testing.assert_array_equal(region.inside, draw([circle(18.3)]).inside)
    assert region.crossing_contours == 2


@pytest.mark.parametrize("count", [1, 2, 5])
def test_two_crossing_contours_in_one_by_a_channel_are_joined(count: int) -> None:
    parts = [circle(9.3, x=20.0 + 5 * i) for i in range(count + 1)]
    walk = [parts[0], parts[0][:1]]
    for part in parts[1:]:
        walk += [part, part[:1]]
    walk += [part[:1] for part in reversed(parts[:-1])]
    expected = np.logical_or.reduce([disc(9.3, x=20.0 + 5 * i) for i in range(count + 1)])
    assert off(expected, draw([np.vstack(walk)])) <= 4 * (count + 1)


# --- parts ----------------------------------------------------------------------------------------------------


def test_dense_points_change_nothing() -> None:
    dense = circle(15.0, points=20_000)
    assert len(thinned(dense)) < 2_500
    assert len(thinned(circle(15.0, points=900))) == 900
    np.testing.assert_array_equal(draw([dense]).inside, draw([circle(15.0, points=2_000)]).inside)


def test_loops_of_a_walk() -> None:
    square = rectangle(0, 4, 0, 4)
    assert [loop.tolist() for loop in simple_loops(np.vstack([square, square[:1]]))] == [square.tolist()]
    assert simple_loops(np.array([(0.0, 0.0), (1.0, 1.0), (0.0, 0.0)])) == []
    assert len(simple_loops(np.tile(square, (3, 1)))) == 3


def test_distance_is_negative_inside() -> None:
    square = rectangle(0, 4, 0, 8)
    points = np.array([(2.0, 4.0), (2.0, 9.5), (-3.0, -4.0), (4.0, 8.0), (1.0, 0.5)])
    assert signed_distance(points, square)[0].tolist() == pytest.approx([-2.0, 1.5, 5.0, 0.0, -0.5])


def test_steps_are_no_longer_than_asked() -> None:
    points = with_steps(rectangle(0, 4, 0, 7), 0.6)
    assert np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1).max() <= 0.6
    assert {(0.0, 0.0), (0.0, 7.0), (4.0, 7.0), (4.0, 0.0)} <= set(map(tuple, points.tolist()))


def test_large_contours_with_many_holes_on_many_slices_are_drawn() -> None:
    """As of an effusion around pieces of lung: what one structure may cost is for all of its slices together."""
    pairs, shape = Pairs(SPACING_MM), (512, 512)
    outer = circle(230.0, y=255.0, x=255.0, points=1500)
    holes = [circle(20.0, y=90.0 + 80 * i, x=210.0 + 90 * j, points=200) for i in range(5) for j in range(2)]
    for _ in range(4):
        region = draw_region([outer, *holes], [False] * 11, shape, pairs)
        assert (region.holes, region.crossing_contours) == (10, 0)


@pytest.mark.parametrize(
    "polygons",
    [
        [np.tile([(0.0, 1.0), (59.0, 2.0)], (40_000, 1))],
        [circle(20 - i / 1000, points=400) for i in range(2_000)],
        [rectangle(i % 50, i % 50 + 1, i / 200, i / 200 + 1) for i in range(6_000)],
        [rectangle(-1e9, 1e9, -1e9, 1e9), rectangle(-2e9, 2e9, -2e9, 2e9)],
        [30 + np.random.default_rng(1).uniform(0, 0.04, (20_000, 2)) for _ in range(10)],
    ],
    ids=["to and fro", "nested", "many", "huge", "dither"],
)
def test_what_would_take_for_ever_is_given_up(
    polygons: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polygon_pairs, "MAX_STEPS", 20_000_000)
    with pytest.raises(TangledContours):
        draw(polygons)
