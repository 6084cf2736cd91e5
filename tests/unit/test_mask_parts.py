"""Connected parts as SciPy counts them, on the smallest masks too."""

from itertools import product

import numpy as np
import pytest
from lunggtv.mask_parts import label_parts
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
