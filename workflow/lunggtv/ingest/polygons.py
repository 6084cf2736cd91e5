"""Closed polygons in a slice: the simple loops they are made of, their pixels, and how far a point lies from them.

A pixel is inside when its centre is. A centre exactly on an edge is inside at the low side of the polygon
and outside at the high side (half-open), so that polygons that share an edge share no pixel.
"""

import numpy as np

# Coordinates are rounded to this many decimals of a pixel: a vertex meant to lie on a pixel centre then
# does so, whatever rounding the way from millimetres brought.
DECIMALS = 6
SAME_POINT_DECIMALS = 3  # vertices that agree to this many decimals of a pixel are one
BAND = 64  # points, sorted by rows, that are looked at together

Box = tuple[slice, slice]


def simple_loops(polygon: np.ndarray) -> list[np.ndarray]:
    """A polygon (n, 2) cut apart wherever it comes back to a point where it has been.

    A keyhole gives its outline and its hole, a polygon walked twice gives two loops, one that repeats its first
    point at the end gives itself. What has fewer than three points, as the channel of a keyhole, is left out.
    """
    loops: list[list[int]] = []
    path: list[int] = []
    place: dict[tuple[float, float], int] = {}
    # Adding 0.0 turns -0.0 into 0.0.
    keys = [(y, x) for y, x in (np.round(polygon, SAME_POINT_DECIMALS) + 0.0).tolist()]
    for index, key in enumerate(keys):
        if key not in place:
            place[key] = len(path)
            path.append(index)
            continue
        start = place[key]
        loops.append(path[start:])
        for passed in path[start + 1 :]:
            del place[keys[passed]]
        del path[start + 1 :]
    loops.append(path)
    return [polygon[loop] for loop in loops if len(loop) >= 3]


def winding(polygon: np.ndarray, shape: tuple[int, int]) -> tuple[Box, np.ndarray]:
    """How often a polygon runs round each pixel centre.

    Args:
        polygon: (n, 2) vertices (y, x) in pixels, pixel centres at whole numbers; closed by itself.
        shape: rows and columns of the slice; what lies beyond is cut off.

    Returns:
        A box of the slice, and the winding numbers in it (int, signed by direction); outside they are zero.

    Scan conversion with one crossing for every edge and row (Foley et al. 1990, section 3.6), all edges at
    once.
    """
    rows, columns = shape
    start, end = polygon, np.roll(polygon, -1, axis=0)
    # Every edge runs from low to high y: the two banks of a channel then cross at exactly the same x.
    upward = start[:, 0] <= end[:, 0]
    low, high = np.where(upward[:, None], start, end), np.where(upward[:, None], end, start)
    first = np.clip(np.ceil(low[:, 0]), 0, rows).astype(np.int64)
    count = np.clip(np.ceil(high[:, 0]), 0, rows).astype(np.int64) - first
    if not count.any():
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.int64)
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = (high[edge, 1] - low[edge, 1]) / (high[edge, 0] - low[edge, 0])
    crossing = np.round(low[edge, 1] + (row - low[edge, 0]) * slope, DECIMALS)
    column = np.clip(np.ceil(crossing), 0, columns).astype(np.int64)
    top, left = int(row.min()), int(column.min())
    height, width = int(row.max()) + 1 - top, int(column.max()) - left
    turns = np.zeros((height, width + 1), np.int64)
    np.add.at(turns, (row - top, column - left), np.where(upward[edge], 1, -1))
    box = (slice(top, top + height), slice(left, left + width))
    return box, np.cumsum(turns, axis=1)[:, :width]


def length_of(polygon: np.ndarray) -> float:
    """Length of the border of a polygon (n, 2)."""
    return float(np.linalg.norm(np.roll(polygon, -1, axis=0) - polygon, axis=1).sum())


def with_steps(polygon: np.ndarray, step: float) -> np.ndarray:
    """The vertices of a polygon (n, 2) with points between them, none farther than ``step`` from the next."""
    edge = np.roll(polygon, -1, axis=0) - polygon
    parts = np.maximum(np.ceil(np.linalg.norm(edge, axis=1) / step), 1).astype(np.int64)
    first = np.repeat(np.arange(len(polygon)), parts)
    share = (np.arange(len(first)) - np.repeat(np.cumsum(parts) - parts, parts)) / parts[first]
    return polygon[first] + share[:, None] * edge[first]


def signed_distance(points: np.ndarray, polygon: np.ndarray, reach: float = np.inf) -> np.ndarray:
    """Distance of points (n, 2) from the border of a polygon (m, 2), negative for those that it runs round.

    Args:
        reach: distances above this need not be exact; they come as ``reach``. A small one saves time.
    """
    found = np.empty(len(points))
    start, end = polygon, np.roll(polygon, -1, axis=0)
    low, high = np.minimum(start[:, 0], end[:, 0]) - reach, np.maximum(start[:, 0], end[:, 0]) + reach
    order = np.argsort(points[:, 0], kind="stable")
    for at in range(0, len(points), BAND):
        chosen = order[at : at + BAND]
        here = points[chosen]
        near = (low <= here[-1, 0]) & (high >= here[0, 0])
        found[chosen] = _signed_distance(here[:, None, :], start[near], end[near], reach)
    return found


def _signed_distance(here: np.ndarray, start: np.ndarray, end: np.ndarray, reach: float) -> np.ndarray:
    """Of points (n, 1, 2) from edges, all against all."""
    if len(start) == 0:
        return np.full(len(here), reach)
    edge = end - start
    length2 = np.maximum((edge**2).sum(axis=1), np.finfo(float).tiny)
    share = np.clip(((here - start) * edge).sum(axis=2) / length2, 0.0, 1.0)
    distance2 = ((here - start - share[:, :, None] * edge) ** 2).sum(axis=2).min(axis=1)
    y, x = here[:, :, 0], here[:, :, 1]
    left = edge[:, 0] * (x - start[:, 1]) - edge[:, 1] * (y - start[:, 0])
    up, down = (start[:, 0] <= y) & (end[:, 0] > y), (start[:, 0] > y) & (end[:, 0] <= y)
    turns = np.count_nonzero(up & (left < 0), axis=1) - np.count_nonzero(down & (left > 0), axis=1)
    return np.minimum(np.sqrt(distance2), reach) * np.where(turns != 0, -1.0, 1.0)
