"""Closed outlines of a mask, such that filling them at the pixel centres returns the mask exactly."""

import numpy as np

# Steps (row, column) of an outline that keeps the mask on its right: right, down, left, up.
_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Outlines of a 2-D mask as arrays (points, 2) of fractional (row, column), not closed by repetition.

    They run through the middles of the pixel edges that part inside from outside (marching squares at one
    half), so corners are cut and every pixel centre keeps at least 0.35 pixel distance. Holes are outlines of
    their own, to be taken away by the even-odd rule. Pixels that touch at a corner only are outlined apart.
    """
    edges = _edges(np.pad(mask.astype(bool), 1))
    loops = []
    while edges:
        start = next(iter(edges))
        # Corner (0, 0) is the upper left one of pixel (0, 0), whose centre is the origin.
        loops.append(_follow(edges, start) - 0.5)
    return loops


def _edges(padded: np.ndarray) -> dict[tuple[int, int, int], None]:
    """All pixel edges between inside and outside: corner row, corner column, direction; in scan order."""
    inside = padded[1:-1, 1:-1]
    shifts = ((padded[:-2, 1:-1], (0, 0), 0), (padded[1:-1, 2:], (0, 1), 1),
              (padded[2:, 1:-1], (1, 1), 2), (padded[1:-1, :-2], (1, 0), 3))  # fmt: skip
    found = []
    for neighbour, (row, column), direction in shifts:
        places = np.argwhere(inside & ~neighbour) + np.array([row, column])
        found += [(r, c, direction) for r, c in places.tolist()]
    return dict.fromkeys(sorted(found))


def _follow(edges: dict[tuple[int, int, int], None], start: tuple[int, int, int]) -> np.ndarray:
    """Take one loop out of ``edges``; the middles of its edges, without those on a straight run."""
    loop, edge = [], start
    while edge in edges:
        del edges[edge]
        loop.append(edge)
        row, column, direction = edge
        row, column = row + _STEPS[direction][0], column + _STEPS[direction][1]
        # Turning right first keeps two pixels that meet at a corner apart.
        turns = ((direction + 1) % 4, direction, (direction + 3) % 4)
        edge = next(((row, column, turn) for turn in turns if (row, column, turn) in edges), start)
    directions = np.array([edge[2] for edge in loop])
    corners = np.array([edge[:2] for edge in loop], dtype=float)
    middles = corners + np.array(_STEPS, dtype=float)[directions] / 2.0
    straight = (directions == np.roll(directions, 1)) & (directions == np.roll(directions, -1))
    return middles[~straight]
