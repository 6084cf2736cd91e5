"""Boxes around masks, and their places in one another."""

import numpy as np
import pytest
from lunggtv.boxes import box_at, box_of, joint_box, size_of, widened, within
from scipy import ndimage


@pytest.mark.parametrize("kind", [bool, np.uint8])
def test_box_of_a_mask(kind):
    rng = np.random.default_rng(4)
    for shape in rng.integers(1, 9, (200, 3)):
        mask = (rng.random(shape) < 0.05).astype(kind)
        assert box_of(mask) == (ndimage.find_objects(mask.astype(int)) or [None])[0]


def test_a_joint_box_holds_all_and_no_more():
    first, second = box_at((2, 3, 4), (1, 5, 2)), box_at((0, 6, 5), (4, 1, 9))
    assert joint_box(first, second) == box_at((0, 3, 4), (4, 5, 10))
    assert joint_box(first) == first
    third, fourth = box_at((1, 1, 5), (1, 1, 1)), box_at((1, 4, 12), (9, 1, 3))
    assert joint_box(first, second, third, fourth) == box_at((0, 1, 4), (10, 7, 11))


def test_a_part_has_its_place_in_its_box():
    whole = np.arange(4 * 7 * 9).reshape(4, 7, 9)
    box, part = box_at((1, 2, 3), (3, 4, 5)), box_at((2, 3, 5), (1, 2, 3))
    np.testing.assert_array_equal(whole[box][within(box, part)], whole[part])
    assert size_of(part) == (1, 2, 3)


def test_a_margin_ends_where_the_array_does():
    assert widened(box_at((1, 5), (3, 2)), (2, 4), (9, 8)) == box_at((0, 1), (6, 7))
