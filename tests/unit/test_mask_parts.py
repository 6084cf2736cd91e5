"""Connected parts as SciPy counts them, on the smallest masks too."""

from itertools import product

import numpy as np
import pytest
from lunggtv.mask_parts import border_parts, label_in_slices, label_parts, largest_part, part_boxes
from scipy import ndimage


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("axes", [2, 3])
def test_parts_are_those_of_another_library(axes: int, corners: bool) -> None:
    rng = np.random.default_rng(7)
    structure = ndimage.generate_binary_structure(axes, axes if corners else 1)
    for shape in [*product((1, 2, 3, 5), repeat=axes), *rng.integers(5, 30, (20, axes)).tolist()]:
        for density in (0.3, 0.6, 0.9):
            mask = rng.random(shape) < density
            parts, count = label_parts(mask, corners)
            expected, expected_count = ndimage.label(mask, structure)
            assert count == expected_count
            np.testing.assert_array_equal(parts, expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("length", [3, 5, 7])
def test_every_other_voxel_of_a_row(axis: int, length: int) -> None:
    row = np.arange(length) % 2 == 0
    shape = [1, 1, 1]
    shape[axis] = length
    assert label_parts(row.reshape(shape), corners=True)[1] == (length + 1) // 2


# Two slices with parts of 1, 3 and 2 pixels: apart in the first, joined through the second.
SLICES = np.array(
    [[[1, 0, 1, 1], [0, 0, 1, 0], [0, 0, 0, 0]], [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]], bool
)


def test_parts_of_each_slice_are_numbered_on():
    labels, count = label_in_slices(SLICES)
    assert labels.tolist() == [
        [[1, 0, 2, 2], [0, 0, 2, 0], [0, 0, 0, 0]],
        [[0, 0, 0, 3], [0, 0, 0, 3], [0, 0, 0, 0]],
    ]
    assert count == 3


def test_the_largest_part_and_the_box_of_each():
    labels, count = label_parts(SLICES)
    assert count == 2 and np.array_equal(largest_part(SLICES), labels == 2)
    assert not largest_part(np.zeros((2, 3, 4), bool)).any()
    assert part_boxes(labels) == [np.s_[0:1, 0:1, 0:1], np.s_[0:2, 0:2, 2:4]]


def test_parts_that_reach_the_border_are_told():
    plane = np.zeros((5, 7), np.int32)
    plane[2, 3], plane[0, 1], plane[4, 5], plane[2, 0], plane[3, 6] = 1, 2, 3, 4, 5
    assert border_parts(plane).tolist() == [2, 3, 4, 5]
