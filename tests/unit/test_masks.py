"""Dice of two masks by hand."""

import numpy as np
import pytest
from lunggtv.masks import dice, dice_of_counts, grown
from scipy import ndimage


@pytest.mark.parametrize("kind", [bool, np.uint8])
def test_dice_by_hand(kind):
    first = np.zeros((3, 4, 5), kind)
    second = first.copy()
    assert dice(first, second) == 1.0
    first[0, 0, :4] = 1
    assert dice(first, second) == dice(second, first) == 0.0
    second[0, 0, 2:5] = 1
    assert dice(first, second) == 2 * 2 / (4 + 3)


def test_dice_of_counts_by_hand():
    assert dice_of_counts(0, 0, 0) == 1.0
    assert dice_of_counts(3, 4, 5) == 6 / 9
    assert type(dice_of_counts(*np.array([3, 4, 5]))) is float


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("beyond", [False, True])
@pytest.mark.parametrize("axes", [2, 3])
def test_a_mask_grows_within_its_slices_as_scipy_has_it(corners, beyond, axes):
    rng = np.random.default_rng(2)
    structure = ndimage.generate_binary_structure(2, 2 if corners else 1)
    for shape in rng.integers(1, 7, (60, axes)):
        mask = rng.random(shape) < 0.2
        wanted = [
            ndimage.binary_dilation(plane, structure, border_value=beyond)
            for plane in mask.reshape(-1, *shape[-2:])
        ]
        np.testing.assert_array_equal(grown(mask, corners, beyond), np.reshape(wanted, shape))
