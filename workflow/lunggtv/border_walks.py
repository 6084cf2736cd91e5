"""Walks along the border of a mask's slice, from pixel side to pixel side. Pixels that touch at a corner are apart."""

import numpy as np

# Sides of a pixel, clockwise with rows growing downwards; inside is to the right of the walk.
TOP, RIGHT, BOTTOM, LEFT = range(4)
NEIGHBOUR = ((-1, 0), (0, 1), (1, 0), (0, -1))

Side = tuple[int, int, int]  # row, column, side


def walks(inside: np.ndarray) -> list[list[Side]]:
    """Closed walks along the sides between inside and outside, each from its first side in reading order.

    Args:
        inside: bool (rows, columns) with a frame of outside.

    Returns:
        The sides of each outline and each hole, in reading order of their first sides. For an outline that is the
        top of a pixel; for a hole it never is.
    """
    waiting: dict[Side, None] = {}
    for which in (TOP, BOTTOM, RIGHT, LEFT):
        step = NEIGHBOUR[which]
        border = inside & ~np.roll(inside, (-step[0], -step[1]), axis=(0, 1))
        waiting |= {(int(row), int(column), which): None for row, column in np.argwhere(border)}
    loops = []
    for start in sorted(waiting, key=_reading_order):
        if start not in waiting:
            continue
        loop: list[Side] = []
        side = start
        while side in waiting:
            del waiting[side]
            loop.append(side)
            side = _next_side(inside, side)
        loops.append(loop)
    return loops


def _reading_order(side: Side) -> tuple[int, int, int]:
    """A top comes before its pixel, a bottom counts to the row below."""
    row, column, which = side
    return row + (which == BOTTOM), column, which


def _next_side(inside: np.ndarray, side: Side) -> Side:
    """The side that follows, clockwise; at a corner where four pixels meet it stays with the same pixel."""
    row, column, which = side
    ahead = NEIGHBOUR[(which + 1) % 4]
    beside = (row + ahead[0], column + ahead[1])
    if not inside[beside]:
        return row, column, (which + 1) % 4
    across = (beside[0] + NEIGHBOUR[which][0], beside[1] + NEIGHBOUR[which][1])
    if not inside[across]:
        return *beside, which
    return *across, (which + 3) % 4
