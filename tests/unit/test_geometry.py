"""Grids in patient space and the exact turn to LPS."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lunggtv.geometry import Grid, Orientation, lps_orientation

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
ORIENTATIONS = [Orientation(p, f) for p in permutations(range(3)) for f in product([False, True], repeat=3)]


def turned(matrix_columns: tuple[int, ...], flips: tuple[bool, ...], angle: float) -> tuple[float, ...]:
    """A rotation by ``angle`` about z, its columns permuted and flipped."""
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])[:, list(matrix_columns)]
    return tuple((matrix * np.where(flips, -1.0, 1.0)).reshape(-1))


def test_a_point_is_origin_plus_steps_along_the_axes():
    grid = Grid((10, 20, 30), (5.0, 2.0, 1.0), (-3.0, 4.0, 7.0), IDENTITY)
    assert grid.point_mm((2, 3, 4)).tolist() == [-3 + 4 * 1, 4 + 3 * 2, 7 + 2 * 5]
    assert grid.index_zyx([1.0, 10.0, 17.0]).tolist() == [2.0, 3.0, 4.0]
    assert grid.voxel_ml == pytest.approx(0.01)


def test_a_box_keeps_its_place_in_the_patient():
    grid = Grid((10, 20, 30), (5.0, 2.0, 1.0), (0.0, 0.0, 0.0), turned((0, 1, 2), (False,) * 3, 0.3))
    box = grid.cropped((1, 2, 3), (4, 5, 6))
    assert box.shape == (4, 5, 6)
    np.testing.assert_allclose(box.point_mm((0, 0, 0)), grid.point_mm((1, 2, 3)))
    with pytest.raises(ValueError, match="leaves the grid"):
        grid.cropped((8, 0, 0), (3, 1, 1))


def test_two_grids_are_as_far_apart_as_their_farthest_corners():
    grid = Grid((2, 3, 4), (5.0, 2.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    assert {tuple(corner) for corner in grid.corners.tolist()} == set(product((0, 1), (0, 2), (0, 3)))
    assert grid.offset_mm(grid) == 0.0
    assert grid.offset_mm(Grid(grid.shape, grid.spacing_mm, (3.0, -4.0, 0.0), IDENTITY)) == 5.0
    wider = Grid(grid.shape, (5.0, 4.0, 1.0), (0.0, 0.0, -1.0), IDENTITY)
    assert grid.offset_mm(wider) == pytest.approx(np.hypot(4.0, 1.0))


@given(
    st.permutations(range(3)),
    st.tuples(*[st.booleans()] * 3),
    st.floats(-0.6, 0.6),
    st.integers(0, 2**32 - 1),
)
def test_the_turn_to_lps_moves_no_voxel_in_the_patient_and_is_exact_back(columns, flips, angle, seed):
    random = np.random.default_rng(seed)
    grid = Grid((3, 4, 5), (5.0, 1.5, 1.1), (3.0, -4.0, 7.0), turned(tuple(columns), flips, angle))
    array = random.integers(0, 1000, grid.shape)
    orientation = lps_orientation(grid)
    lps, lps_grid = orientation.apply(array), orientation.apply_to_grid(grid)

    assert np.array_equal(orientation.undo(lps), array)
    assert lps.shape == lps_grid.shape
    assert (np.diag(lps_grid.matrix) > 0).all(), "axes point to the left, the back and the head"
    voxel = tuple(int(random.integers(0, n)) for n in lps.shape)
    stored = np.rint(grid.index_zyx(lps_grid.point_mm(voxel))).astype(int)
    assert array[tuple(stored)] == lps[voxel]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_an_orientation_survives_its_plain_form(orientation):
    assert Orientation.from_dict(orientation.to_dict()) == orientation


def test_a_grid_survives_its_plain_form():
    grid = Grid((3, 4, 5), (5.0, 1.17, 1.17), (0.1, 0.2, 0.3), turned((2, 0, 1), (True, False, True), 0.2))
    assert Grid.from_dict(grid.to_dict()) == grid


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((0, 1, 1), (1.0, 1.0, 1.0)), ((1, 1, 1), (0.0, 1.0, 1.0)), ((1, 1), (1.0, 1.0, 1.0))],
)
def test_an_impossible_grid_is_refused(shape, spacing):
    with pytest.raises(ValueError):
        Grid(shape, spacing, (0.0, 0.0, 0.0), IDENTITY)
