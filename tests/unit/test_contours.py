"""Contours to voxels: counted by hand, and the outline of any mask gives that mask back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lunggtv.geometry import Grid
from lunggtv.ingest.contours import ContourOffGrid, draw_rois, fill

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
GRID = Grid((5, 12, 16), (3.0, 0.9, 1.1), (-50.0, -40.0, -30.0), AXIAL)
TOLERANCE_MM = 0.1


def rectangle(y0: float, y1: float, x0: float, x1: float) -> np.ndarray:
    return np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)], dtype=float)


def contour(polygon: np.ndarray, z: float, grid: Grid = GRID) -> np.ndarray:
    return grid.point_mm(np.column_stack([np.full(len(polygon), z), polygon]))


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
    drawn = fill(loops, mask.shape) if loops else np.zeros(mask.shape, dtype=bool)
    np.testing.assert_array_equal(drawn, mask)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 12))
def test_fill_agrees_with_the_angle_swept_around_each_centre(seed: int, corners: int) -> None:
    """Even-odd equals the parity of the winding number, here summed from angles: another formula."""
    polygon = np.random.default_rng(seed).uniform(-2, 12, (corners, 2))
    drawn = fill([polygon], (10, 11))
    for y in range(10):
        for x in range(11):
            offset = polygon - (y, x)
            angle = np.arctan2(offset[:, 0], offset[:, 1])
            swept = (np.diff(np.append(angle, angle[0])) + np.pi) % (2 * np.pi) - np.pi
            assert drawn[y, x] == round(swept.sum() / (2 * np.pi)) % 2


def test_triangle_counted_by_hand() -> None:
    # Corners (0, 0), (0, 4), (4, 0): the legs lie on pixel centres at the low side and count, the
    # hypotenuse y + x = 4 is the high side and does not. Rows of 4, 3, 2, 1 pixels.
    drawn = fill([np.array([(0, 0), (0, 4), (4, 0)])], (6, 6))
    assert drawn.sum(axis=1).tolist() == [4, 3, 2, 1, 0, 0]
    assert drawn[:, 0].tolist() == [True, True, True, True, False, False]


def test_edges_on_pixel_centres_are_shared_once() -> None:
    # Two rectangles side by side, the common edge at x = 3: every pixel belongs to exactly one of them.
    left, right = fill([rectangle(1, 4, 0, 3)], (6, 8)), fill([rectangle(1, 4, 3, 6)], (6, 8))
    assert not np.any(left & right)
    assert left.sum() == right.sum() == 3 * 3


def test_inner_contour_is_a_hole_and_an_island_inside_it_is_not() -> None:
    nest = [rectangle(0.5, 8.5, 0.5, 8.5), rectangle(2.5, 6.5, 2.5, 6.5), rectangle(3.5, 5.5, 3.5, 5.5)]
    assert fill(nest, (10, 10)).sum() == 8 * 8 - 4 * 4 + 2 * 2


@pytest.mark.parametrize("bank", [4.0, 4.1234567])
def test_keyhole_contour_is_a_ring_without_a_cut(bank: float) -> None:
    # Outer square, along a channel of no width to the inner square, round it the other way, and back.
    keyhole = np.array(
        [
            (0.5, bank), (0.5, 8.5), (8.5, 8.5), (8.5, 0.5), (0.5, 0.5), (0.5, bank),
            (2.5, bank), (2.5, 2.5), (6.5, 2.5), (6.5, 6.5), (2.5, 6.5), (2.5, bank),
        ]
    )  # fmt: skip
    ring = fill([rectangle(0.5, 8.5, 0.5, 8.5), rectangle(2.5, 6.5, 2.5, 6.5)], (10, 10))
    np.testing.assert_array_equal(fill([keyhole], (10, 10)), ring)


def test_slanted_keyhole_channel_leaves_no_crack() -> None:
    # The channel runs through pixel centres at a slope that has no exact binary fraction.
    a, b = np.array((0.5, 1.1)), np.array((6.5, 7.3))
    outer = [(0.5, 0.5), (9.5, 0.5), (9.5, 9.5), (0.5, 9.5)]
    inner = [tuple(b), (6.5, 8.5), (8.5, 8.5), (8.5, 7.3)]
    keyhole = np.array([tuple(a), *outer, tuple(a), *inner, tuple(b)])
    expected = fill([rectangle(0.5, 9.5, 0.5, 9.5), np.array(inner)], (11, 11))
    np.testing.assert_array_equal(fill([keyhole], (11, 11)), expected)


def test_what_lies_beyond_the_image_is_cut_off() -> None:
    assert fill([rectangle(-5, 50, -5, 50)], (4, 3)).all()
    assert fill([rectangle(-5, 1.5, 1.5, 50)], (4, 3)).sum() == 2 * 1
    assert not fill([rectangle(10, 20, 10, 20)], (4, 3)).any()


def test_contour_goes_to_its_slice_in_any_direction_of_points() -> None:
    polygon = rectangle(2.5, 5.5, 3.5, 9.5)
    for points in (contour(polygon, 2.0), contour(polygon[::-1], 2.0), contour(np.roll(polygon, 1, 0), 2.0)):
        drawing = draw_rois([[points]], GRID, TOLERANCE_MM)
        assert drawing.mask.dtype == np.uint8
        assert np.argwhere(drawing.mask.any(axis=(1, 2))).tolist() == [[2]]
        assert drawing.mask[2, 3:6, 4:10].all()
        assert drawing.mask.sum() == drawing.roi_voxels[0] == 3 * 6


def test_oblique_grid_draws_through_its_own_axes() -> None:
    angle = np.radians(20)
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    ) @ np.array([[1, 0, 0], [0, np.cos(0.3), -np.sin(0.3)], [0, np.sin(0.3), np.cos(0.3)]])
    oblique = Grid(GRID.shape, GRID.spacing_mm, (11.0, -7.0, 300.0), tuple(turn.reshape(-1)))
    polygon = rectangle(2.5, 5.5, 3.5, 9.5)
    straight = draw_rois([[contour(polygon, z)] for z in range(5)], GRID, TOLERANCE_MM)
    turned = draw_rois([[contour(polygon, z, oblique)] for z in range(5)], oblique, TOLERANCE_MM)
    np.testing.assert_array_equal(turned.mask, straight.mask)


def test_rois_are_joined_where_contours_of_one_roi_cut_holes() -> None:
    outer, inner = contour(rectangle(0.5, 8.5, 0.5, 8.5), 1), contour(rectangle(2.5, 6.5, 2.5, 6.5), 1)
    one = draw_rois([[outer, inner]], GRID, TOLERANCE_MM)
    two = draw_rois([[outer], [inner]], GRID, TOLERANCE_MM)
    assert one.mask.sum() == 8 * 8 - 4 * 4
    assert two.mask.sum() == 8 * 8
    assert two.roi_voxels == (64, 16)


def test_a_contour_given_twice_does_not_cut_itself_out() -> None:
    points = contour(rectangle(2.5, 5.5, 3.5, 9.5), 1)
    drawing = draw_rois([[points, points.copy()]], GRID, TOLERANCE_MM)
    assert drawing.mask.sum() == 18
    assert drawing.repeated == 1


def test_contours_of_thinner_slices_do_not_cut_each_other_out() -> None:
    # Planes every half slice: slice 2 takes the plane at 2.0 alone, not those at 1.5 (goes up) and 2.5.
    polygon = rectangle(2.5, 5.5, 3.5, 9.5)
    drawing = draw_rois([[contour(polygon, z) for z in (1.0, 1.5, 2.0, 2.5, 3.0)]], GRID, TOLERANCE_MM)
    assert drawing.mask.sum(axis=(1, 2)).tolist() == [0, 18, 18, 18, 0]
    assert drawing.superseded == 2
    assert drawing.off_slice_mm == pytest.approx(0)


def test_a_hole_on_a_plane_that_differs_by_rounding_stays_a_hole() -> None:
    outer, inner = contour(rectangle(0.5, 8.5, 0.5, 8.5), 1.005), contour(rectangle(2.5, 6.5, 2.5, 6.5), 1.0)
    assert draw_rois([[outer, inner]], GRID, TOLERANCE_MM).mask.sum() == 64 - 16


def test_distance_to_the_slice_is_told() -> None:
    drawing = draw_rois([[contour(rectangle(2.5, 5.5, 3.5, 9.5), 2.3)]], GRID, TOLERANCE_MM)
    assert drawing.mask[2].sum() == 18
    assert drawing.off_slice_mm == pytest.approx(0.3 * 3.0)


def test_slices_left_without_contour_are_counted() -> None:
    polygon = rectangle(2.5, 5.5, 3.5, 9.5)
    assert draw_rois([[contour(polygon, z) for z in (0, 1, 4)]], GRID, TOLERANCE_MM).skipped_slices == 2
    # Two lesions of one ROI that do not lie above each other: nothing is missing between them.
    apart = [contour(polygon, 0), contour(rectangle(7.5, 9.5, 0.5, 2.5), 4)]
    assert draw_rois([apart], GRID, TOLERANCE_MM).skipped_slices == 0


def test_contour_cut_by_the_image_edge_is_counted() -> None:
    drawing = draw_rois([[contour(rectangle(2.5, 5.5, 10.5, 20.5), 2)]], GRID, TOLERANCE_MM)
    assert drawing.beyond_edge == 1
    assert drawing.mask.sum() == 3 * 5


@pytest.mark.parametrize("z", [-0.52, 4.52])
def test_half_a_slice_and_the_tolerance_beyond_the_ends_is_still_inside(z: float) -> None:
    drawing = draw_rois([[contour(rectangle(2.5, 5.5, 3.5, 9.5), z)]], GRID, TOLERANCE_MM)
    assert drawing.mask[0 if z < 0 else 4].sum() == 18


@pytest.mark.parametrize("z", [-0.6, 4.6, 40.0])
def test_contour_beyond_the_ends_is_refused(z: float) -> None:
    inside = contour(rectangle(2.5, 5.5, 3.5, 9.5), 1)
    with pytest.raises(ContourOffGrid) as caught:
        draw_rois([[inside], [contour(rectangle(2.5, 5.5, 3.5, 9.5), z)]], GRID, TOLERANCE_MM)
    assert (caught.value.roi, caught.value.leaning) == (1, False)


def test_contour_beside_the_image_is_refused() -> None:
    with pytest.raises(ContourOffGrid) as caught:
        draw_rois([[contour(rectangle(2.5, 5.5, 30.5, 40.5), 1)]], GRID, TOLERANCE_MM)
    assert not caught.value.leaning


def test_contour_of_another_orientation_is_refused() -> None:
    sagittal = GRID.point_mm([(0, 2, 5), (3, 2, 5), (3, 8, 5), (0, 8, 5)])
    with pytest.raises(ContourOffGrid) as caught:
        draw_rois([[sagittal]], GRID, TOLERANCE_MM)
    assert caught.value.leaning
