"""The case that a package checks itself with: the tumour in its middle, no larger than the model's patch."""

import numpy as np
import pytest
from lunggtv.geometry import Grid
from lunggtv.package.selftest import cut_case

GRID = Grid((12, 40, 60), (5.0, 2.0, 1.0), (10.0, -20.0, 30.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
CT = np.arange(12 * 40 * 60, dtype=np.int32).reshape(GRID.shape).astype(np.int16)


def labelled(*places):
    label = np.zeros(GRID.shape, np.uint8)
    for place in places:
        label[place] = 1
    return label


@pytest.mark.parametrize(
    ("tumour", "start"),
    [
        ((6, 20, 30), (4, 17, 25)),
        ((0, 1, 58), (0, 0, 50)),  # by the border the case stays inside
        ((11, 39, 2), (8, 34, 0)),
    ],
)
def test_the_tumour_is_in_the_middle(tumour, start):
    case = cut_case(CT, labelled(tumour), GRID, GRID.spacing_mm, (4, 6, 10))
    assert np.array_equal(case.ct, CT[tuple(slice(a, a + n) for a, n in zip(start, (4, 6, 10), strict=True))])
    assert case.grid == GRID.cropped(start, (4, 6, 10))


def test_without_a_tumour_it_is_the_middle_and_a_small_ct_is_taken_whole():
    case = cut_case(CT, labelled(), GRID, GRID.spacing_mm, (4, 6, 10))
    assert case.grid == GRID.cropped((4, 17, 25), (4, 6, 10))
    whole = cut_case(CT, labelled((1, 1, 1)), GRID, GRID.spacing_mm, (48, 64, 64))
    assert whole.grid == GRID and np.array_equal(whole.ct, CT)


def test_voxels_are_those_of_the_model():
    case = cut_case(CT, labelled((6, 20, 30)), GRID, (5.0, 4.0, 4.0), (4, 6, 6))
    assert case.grid.spacing_mm == (5.0, 4.0, 4.0) and case.ct.shape == (4, 6, 6)
    x, y, z = case.grid.point_mm(np.subtract(case.ct.shape, 1) / 2)
    assert np.abs(np.subtract((x, y, z), GRID.point_mm((6, 20, 30)))).max() <= 5.0
