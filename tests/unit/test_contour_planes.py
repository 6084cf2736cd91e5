"""Which slice a plane of contours goes to, and which contours are of one plane: each limit from both sides."""

import numpy as np
import pytest
from lunggtv.geometry import Grid
from lunggtv.ingest.dicom.contour_planes import (
    Contour,
    ContourOffGrid,
    PlacedContour,
    nearest_slice,
    place_contour,
    planes_by_slice,
)

GRID = Grid((5, 12, 16), (3.0, 0.9, 1.1), (-50.0, -40.0, -30.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
SQUARE = np.array([(2.0, 2.0), (2.0, 5.0), (5.0, 5.0), (5.0, 2.0)])


def taken(heights: list[float], z: int) -> list[float]:
    """Heights of the contours that a slice takes of those drawn at these heights."""
    contours = [PlacedContour(np.full(4, h), h, SQUARE, False, frozenset()) for h in heights]
    return [one.height for one in planes_by_slice(contours, 40)[z].taken]


def series(step: float, steps: int, *more: float) -> list[float]:
    return [step * n for n in range(steps + 1)] + list(more)


@pytest.mark.parametrize(
    ("height", "z"), [(1.4985, 1), (1.4995, 2), (1.5, 2), (1.5005, 2), (-0.6, 0), (4.7, 4)]
)
def test_a_plane_halfway_goes_to_the_upper_slice_whatever_rounding_made_of_it(height, z):
    assert nearest_slice(height, 5) == z


@pytest.mark.parametrize(("lean", "placed"), [(0.5, True), (0.51, False)])
def test_a_contour_may_lean_by_half_a_slice(lean, placed):
    z = np.array([2.0, 2.0, 2.0 + lean, 2.0 + lean])
    contour = Contour(GRID.point_mm(np.column_stack([z, SQUARE])))
    if placed:
        assert place_contour(1, contour, GRID, 0.1).height == pytest.approx(2.0 + lean / 2)
    else:
        with pytest.raises(ContourOffGrid, match="leans out of"):
            place_contour(1, contour, GRID, 0.1)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("low_side", [True, False])
@pytest.mark.parametrize(("gap", "placed"), [(-0.01, True), (0.01, False), (-50.0, True)])
def test_a_contour_partly_beside_the_image_is_placed(axis, low_side, gap, placed):
    """A pixel reaches half its size beyond its centre; the image has 12 rows of 16 columns."""
    edge = -0.5 if low_side else GRID.shape[1 + axis] - 0.5
    start, end = (-60.0, edge - gap) if low_side else (edge + gap, 60.0)
    corners = SQUARE.copy()
    corners[:, axis] = np.where(SQUARE[:, axis] == 2.0, start, end)
    contour = Contour(GRID.point_mm(np.column_stack([np.full(4, 2.0), corners])))
    if placed:
        assert np.allclose(place_contour(1, contour, GRID, 0.1).polygon, corners)
    else:
        with pytest.raises(ContourOffGrid, match="lies outside"):
            place_contour(1, contour, GRID, 0.1)


def test_contours_a_little_off_each_other_are_of_one_plane():
    assert taken([0.0, 1.0, 2.0, 2.119, 3.0, 4.0], 2) == [2.0, 2.119]
    assert taken([0.0, 1.0, 2.0, 2.121, 3.0, 4.0], 2) == [2.0]


def test_in_a_finer_series_they_are_nearer():
    """Planes of half a slice; nine steps and one more contour."""
    assert taken(series(0.5, 9, 2.049), 2) == [2.0, 2.049]
    assert taken(series(0.5, 9, 2.051), 2) == [2.0]


def test_planes_a_tenth_to_three_quarters_of_a_slice_apart_are_a_finer_series():
    assert taken(series(0.101, 20), 0) == [0.0] and len(taken(series(0.099, 20), 0)) == 2
    assert taken(series(0.749, 20, 14.98 + 0.1), 15) == [pytest.approx(14.98)]
    assert len(taken(series(0.751, 20, 15.02 + 0.1), 15)) == 2


def test_four_of_five_planes_keep_the_distance_of_a_series():
    assert taken(series(0.5, 9, 2.1), 2) == [2.0]
    assert taken(series(0.5, 8, 2.1), 2) == [2.0, 2.1]
