"""Masks turned onto a grid: the same voxels whatever their axes, and nothing else is changed."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lunggtv.geometry import Grid, Orientation
from lunggtv.mask_grids import aligned, crop_start, off_whole, pasted

ORIENTATIONS = [
    Orientation(permutation, (bool(n & 1), bool(n & 2), bool(n & 4)))
    for permutation in permutations(range(3))
    for n in range(8)
]
OBLIQUE = (0.990268069, 0.0, -0.139173101, 0.0, 1.0, 0.0, 0.139173101, 0.0, 0.990268069)
GRID = Grid((3, 4, 5), (3.0, 1.5, 0.75), (-10.0, 20.0, 5.0), OBLIQUE)
MASK = np.random.default_rng(0).integers(0, 5, GRID.shape).astype(np.uint8)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_order_and_direction_of_axes_is_turned_back(orientation):
    stored, grid = orientation.apply(MASK), orientation.apply_to_grid(GRID)
    mask, found = aligned(stored, grid, GRID)
    assert np.array_equal(mask, MASK) and mask.dtype == np.uint8
    assert found.shape == GRID.shape and found.spacing_mm == GRID.spacing_mm
    assert found.offset_mm(GRID) < 1e-9


@given(first=st.sampled_from(ORIENTATIONS), second=st.sampled_from(ORIENTATIONS))
def test_neither_grid_need_lie_along_the_body(first, second):
    onto = second.apply_to_grid(GRID)
    mask, found = aligned(first.apply(MASK), first.apply_to_grid(GRID), onto)
    assert np.array_equal(mask, second.apply(MASK))
    assert found.offset_mm(onto) < 1e-9


def test_what_is_turned_keeps_its_place_though_it_is_elsewhere():
    """A mask of another shape, spacing and place: every voxel stays where it was in the patient."""
    grid = Grid((2, 6, 3), (1.0, 2.0, 3.0), (7.0, 8.0, 9.0), (0, 0, -1.0, 1.0, 0, 0, 0, -1.0, 0))
    array = np.arange(36).reshape(grid.shape)
    turned, found = aligned(array, grid, GRID)
    assert sorted(found.shape) == [2, 3, 6]
    for value in (0, 7, 35):
        here = grid.point_mm(np.argwhere(array == value)[0])
        assert np.allclose(here, found.point_mm(np.argwhere(turned == value)[0]))


@pytest.mark.parametrize(
    ("first", "shape", "expected"),
    [
        ((0, 0, 0), (3, 4, 5), (0, 0, 0)),
        ((1, 2, 3), (2, 2, 2), (1, 2, 3)),
        ((1.3, 1.8, 3), (1, 1, 1), (1, 2, 3)),
        ((-1, 0, 0), (2, 2, 2), None),
        ((1, 2, 4), (2, 2, 2), None),
        ((2, 0, 0), (2, 4, 5), None),
    ],
)
def test_a_crop_lies_inside_or_nowhere(first, shape, expected):
    part = Grid(shape, GRID.spacing_mm, tuple(GRID.point_mm(first)), GRID.direction)
    assert crop_start(part, GRID) == expected


def test_a_crop_is_pasted_where_it_was():
    part = MASK[1:3, 1:4, 2:3]
    whole = pasted(part, (1, 1, 2), GRID.shape)
    assert np.array_equal(whole[1:3, 1:4, 2:3], part)
    assert whole.sum() == part.sum() and whole.dtype == part.dtype and whole.shape == GRID.shape


def test_the_distance_from_whole_numbers():
    values = np.zeros((3, 2, 2), np.float32)
    assert off_whole(values) == 0.0
    values[2, 1, 1] = 2.0 + 1.53e-5
    assert off_whole(values) == pytest.approx(1.53e-5, abs=2e-7)
    values[0, 0, 0] = 0.75
    assert off_whole(values) == 0.25
    values[1, 0, 0] = np.nan
    assert np.isnan(off_whole(values))
    values[1, 0, 0] = np.inf
    assert np.isnan(off_whole(values))
    assert off_whole(MASK) == 0.0
