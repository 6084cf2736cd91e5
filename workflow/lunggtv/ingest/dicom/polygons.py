"""Closed polygons in a slice: the simple loops they are made of, their pixels, and how far a point lies from them.

A pixel is inside when its centre is. A centre exactly on an edge is inside at the low side of the polygon
and outside at the high side (half-open), so that polygons that share an edge share no pixel.
"""

import math
from collections.abc import Sequence

import numpy as np

from lunggtv.boxes import Box, box_at, size_of
from lunggtv.mask_parts import border_parts, label_parts

# Coordinates are rounded to this many decimals of a pixel: a vertex meant to lie on a pixel centre then
# does so, whatever rounding the way from millimetres brought.
DECIMALS = 6
SAME_POINT = 0.05  # pixels; vertices nearer than this are one
LEAST_WAY = 8 * SAME_POINT  # from a vertex on before one near to it is it again
CENTRE, CENTRE_SHARE = 1e-3, 0.95  # pixels from a centre, and share of the vertices, that are no chance
CELL_POINTS = 64  # vertices within SAME_POINT of each other that are remembered
BAND = 64  # points, sorted by rows, that are looked at together


def simple_loops(polygon: np.ndarray) -> list[np.ndarray]:
    """A polygon (n, 2) in pixels cut apart wherever it comes back to a point where it has been.

    A keyhole gives its outline and its hole, a polygon walked twice gives two loops, one that repeats its first
    point at the end gives itself. What has fewer than three points, as the channel of a keyhole, is left out.
    """
    loops: list[list[int]] = []
    path: list[int] = []  # vertices that no loop has taken yet
    place: dict[tuple[int, int], list[int]] = {}  # those among them, by cells as large as SAME_POINT
    points = polygon.tolist()
    way = np.cumsum(np.linalg.norm(np.diff(polygon, axis=0, prepend=polygon[:1]), axis=1)).tolist()
    for index, (y, x) in enumerate(points):
        row, column = int(y // SAME_POINT), int(x // SAME_POINT)
        near = (at for r in (-1, 0, 1) for c in (-1, 0, 1) for at in place.get((row + r, column + c), ()))
        # A walk of small steps is no loop.
        start = min(
            (
                at
                for at in near
                if way[index] - way[path[at]] > LEAST_WAY
                and math.dist(points[path[at]], (y, x)) <= SAME_POINT
            ),
            default=None,
        )
        if start is None:
            cell = place.setdefault((row, column), [])
            if len(cell) < CELL_POINTS:
                cell.append(len(path))
            path.append(index)
            continue
        loops.append(path[start:])
        for at in range(len(path) - 1, start, -1):
            left_y, left_x = points[path[at]]
            cell = place[int(left_y // SAME_POINT), int(left_x // SAME_POINT)]
            if at in cell:
                cell.remove(at)
        del path[start + 1 :]
    loops.append(path)
    return [polygon[loop] for loop in loops if len(loop) >= 3]


def has_near_points(polygon: np.ndarray) -> bool:
    """Whether two vertices may be one, so that ``simple_loops`` may cut.

    Near points share a cell of one of four grids, each moved by half a cell.
    """
    for shift in ((0.0, 0.0), (0.0, 0.5), (0.5, 0.0), (0.5, 0.5)):
        cells = np.floor(polygon / (2 * SAME_POINT) + shift)
        if len(np.unique(cells[:, 0] * 1e7 + cells[:, 1])) < len(polygon):
            return True
    return False


def on_centres(polygon: np.ndarray) -> bool:
    """Whether the vertices (n, 2) lie on pixel centres, as outlines that image libraries trace."""
    return bool(np.mean(np.abs(polygon - np.rint(polygon)).max(axis=1) <= CENTRE) > CENTRE_SHARE)


def is_cut(polygon: np.ndarray, shape: Sequence[int]) -> bool:
    """Whether a polygon reaches beyond the pixels of a slice of ``shape``."""
    return bool(np.any(polygon < -0.5) or np.any(polygon > np.array(shape) - 0.5))


def thinned(polygon: np.ndarray) -> np.ndarray:
    """A polygon (n, 2) in pixels without the points that lie nearer than SAME_POINT to the last one, along its way."""
    way = np.cumsum(np.linalg.norm(np.diff(polygon, axis=0, prepend=polygon[:1]), axis=1))
    if len(polygon) < 2 or way[-1] / len(polygon) >= SAME_POINT:
        return polygon
    kept = np.diff(np.floor(way / SAME_POINT), prepend=-1) > 0
    return polygon[kept]


def scan(polygon: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where a polygon crosses the rows of pixel centres.

    Args:
        polygon: (n, 2) vertices (y, x) in pixels, pixel centres at whole numbers; closed by itself.
        shape: rows and columns of the slice; what lies beyond is cut off.

    Returns:
        For each crossing its row, the first column whose centre lies right of it or on it (up to ``shape[1]``), and
        its direction, 1 or -1.

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
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = (high[edge, 1] - low[edge, 1]) / (high[edge, 0] - low[edge, 0])
    crossing = np.round(low[edge, 1] + (row - low[edge, 0]) * slope, DECIMALS)
    return row, np.clip(np.ceil(crossing), 0, columns).astype(np.int64), np.where(upward[edge], 1, -1)


def winding(polygon: np.ndarray, shape: tuple[int, int]) -> tuple[Box, np.ndarray]:
    """How often a polygon runs round each pixel centre.

    Args:
        polygon, shape: as for ``scan``.

    Returns:
        A box of the slice, and the winding numbers in it (int32, signed by direction); outside they are zero.
    """
    row, column, direction = scan(polygon, shape)
    if not len(row):
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.int32)
    top, left = int(row.min()), int(column.min())
    height, width = int(row.max()) + 1 - top, int(column.max()) - left
    turns = np.zeros((height, width + 1), np.int32)
    np.add.at(turns, (row - top, column - left), direction)
    return box_at((top, left), (height, width)), np.cumsum(turns, axis=1, dtype=np.int32)[:, :width]


def enclosed(polygon: np.ndarray, box: Box) -> np.ndarray:
    """Numbers of the parts of a box from which no way leads out of it without crossing the polygon; 0 elsewhere.

    Ways go from pixel centre to pixel centre, in rows and columns.
    """
    corner = np.array([side.start - 1 for side in box])
    height, width = (side + 2 for side in size_of(box))
    # A map of twice the size: pixels at even places, the ways between them at odd ones.
    way = np.zeros((2 * height - 1, 2 * width - 1), bool)
    way[::2, ::2] = way[::2, 1::2] = way[1::2, ::2] = True
    row, column, _ = scan(polygon - corner, (height, width))
    between = (column > 0) & (column < width)
    way[2 * row[between], 2 * column[between] - 1] = False
    column, row, _ = scan((polygon - corner)[:, ::-1], (width, height))
    between = (row > 0) & (row < height)
    way[2 * row[between] - 1, 2 * column[between]] = False
    parts, _ = label_parts(way)
    parts = parts[::2, ::2]
    return np.where(np.isin(parts, border_parts(parts)), 0, parts)[1:-1, 1:-1]


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


def signed_distance(points: np.ndarray, polygon: np.ndarray, reach: float = np.inf) -> tuple[np.ndarray, int]:
    """Distance of points (n, 2) from the border of a polygon (m, 2), negative for those that it runs round.

    Args:
        reach: distances above this need not be exact; they come as ``reach``. A small one saves time.

    Returns:
        The distances, and how many pairs of a point and an edge were looked at.
    """
    found = np.empty(len(points))
    looks = 0
    start, end = polygon, np.roll(polygon, -1, axis=0)
    low, high = np.minimum(start[:, 0], end[:, 0]) - reach, np.maximum(start[:, 0], end[:, 0]) + reach
    order = np.argsort(points[:, 0], kind="stable")
    for at in range(0, len(points), BAND):
        chosen = order[at : at + BAND]
        here = points[chosen]
        near = (low <= here[-1, 0]) & (high >= here[0, 0])
        found[chosen] = _signed_distance(here[:, None, :], start[near], end[near], reach)
        looks += len(chosen) * int(np.count_nonzero(near)) + len(polygon)
    return found, looks


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
