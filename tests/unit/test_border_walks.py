"""Walks along the border of a slice, counted side by side."""

import numpy as np
import pytest
from lunggtv.border_walks import BOTTOM, LEFT, NEIGHBOUR, RIGHT, TOP, walks
from scipy import ndimage

ACROSS = np.ones((3, 3), int)


def test_a_pixel_and_a_hole_of_one_pixel_by_hand():
    mask = np.zeros((7, 9), bool)
    mask[1, 7] = True
    mask[3:6, 4:7] = True
    mask[4, 5] = False
    pixel, outline, hole = walks(mask)
    assert pixel == [(1, 7, TOP), (1, 7, RIGHT), (1, 7, BOTTOM), (1, 7, LEFT)]
    assert outline == [
        *((3, x, TOP) for x in (4, 5, 6)),
        *((y, 6, RIGHT) for y in (3, 4, 5)),
        *((5, x, BOTTOM) for x in (6, 5, 4)),
        *((y, 4, LEFT) for y in (5, 4, 3)),
    ]
    # Round the hole the other way, from the side that comes first: that of the pixel before it.
    assert hole == [(4, 4, RIGHT), (5, 5, TOP), (4, 6, LEFT), (3, 5, BOTTOM)]


@pytest.mark.parametrize("density", [0.2, 0.5, 0.8])
def test_every_side_is_walked_once_and_every_part_and_hole_has_a_walk(density):
    rng = np.random.default_rng(6)
    for shape in rng.integers(1, 9, (60, 2)):
        mask = np.pad(rng.random(shape) < density, 1)
        sides = [side for loop in walks(mask) for side in loop]
        borders = {
            (int(y), int(x), which)
            for y, x in np.argwhere(mask)
            for which, (down, right) in enumerate(NEIGHBOUR)
            if not mask[y + down, x + right]
        }
        assert len(sides) == len(borders) and set(sides) == borders
        # Pixels that touch at a corner are apart, so that what is outside hangs together there.
        parts, outside = ndimage.label(mask)[1], ndimage.label(~mask, ACROSS)[1]
        firsts = [loop[0][2] for loop in walks(mask)]
        assert (firsts.count(TOP), len(firsts)) == (parts, parts + outside - 1)
