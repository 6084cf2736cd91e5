"""Dice of two masks by hand."""

import numpy as np
import pytest
from lunggtv.masks import dice, dice_of_counts


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
