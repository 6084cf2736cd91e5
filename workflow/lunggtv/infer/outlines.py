"""Closed outlines of a mask's slice, made so that filling them at pixel centres gives the mask back.

Each outline runs through the borders between inside and outside pixels, at their middles (marching squares
at one half: corners are cut, which takes half a pixel off the area of a whole region). Pixels that only touch
at a corner are apart. A hole is joined to its outline by a keyhole: a channel of no width, walked there
and back, which every treatment planning system reads, while a separate inner contour is not read alike.
"""

import numpy as np

from lunggtv.border_walks import LEFT, NEIGHBOUR, RIGHT, TOP, Side, walks

# How far, in pixels, outlines lie inside the middle of the border. Readers that round points to pixels then
# find the inside pixel, and the area changes by a hundredth of a pixel along the border.
INWARD_VOX = 0.01


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Outlines of a slice.

    Args:
        mask: (rows, columns), non-zero is inside.

    Returns:
        One (points, 2) float array of row and column (pixel centres are whole numbers) for each region of
        pixels joined by their sides, in the order of the regions' first pixels; the first point is not
        repeated. Empty for an empty slice.
    """
    inside = np.pad(mask > 0, 1)
    loops = walks(inside)
    outer = [loop for loop in loops if loop[0][2] == TOP]
    holes = [loop for loop in loops if loop[0][2] != TOP]
    # A channel runs to the right and ends at an outline that reaches further right, so that with the
    # rightmost hole first every channel ends at an outline that is already joined to its outer one.
    for hole in sorted(holes, key=lambda loop: max(column for _, column, _ in loop), reverse=True):
        _join(inside, outer, hole)
    return [_points(loop) - 1.0 for loop in outer]


def _join(inside: np.ndarray, loops: list[list[Side]], hole: list[Side]) -> None:
    """Join a hole to the loop that its channel meets; changes that loop in place."""
    index, (row, column, _) = max(
        ((i, side) for i, side in enumerate(hole) if side[2] == LEFT), key=lambda item: item[1][1]
    )
    end = column
    while inside[row, end + 1]:
        end += 1
    loop = next(loop for loop in loops if (row, end, RIGHT) in loop)
    at = loop.index((row, end, RIGHT))
    loop[at:at] = [loop[at], *hole[index:], *hole[: index + 1]]


def _points(loop: list[Side]) -> np.ndarray:
    """Middles of the sides, a little inwards, without those on a straight line between their neighbours."""
    sides = np.asarray(loop)
    step = np.asarray(NEIGHBOUR)[sides[:, 2]]
    middles = 2 * sides[:, :2] + step  # in half pixels: whole numbers, so that straightness is exact
    before = middles - np.roll(middles, 1, axis=0)
    after = np.roll(middles, -1, axis=0) - middles
    bends = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return (sides[:, :2] + (0.5 - INWARD_VOX) * step)[bends]
