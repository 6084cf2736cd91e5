"""Contours to voxels: even-odd fill at pixel centres, on the slices the contours were drawn on.

A pixel is inside when its centre is. A centre exactly on an edge is inside at the low side of the polygon
and outside at the high side (half-open), so that polygons that share an edge share no pixel.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lunggtv.geometry import Grid

# Coordinates are rounded to this many decimals of a pixel: a vertex meant to lie on a pixel centre then
# does so, whatever rounding the way from millimetres brought.
DECIMALS = 6
LEANING_VOX = 0.5  # a contour may lean this much, in slices, before it is of another orientation
MAX_CROSSINGS = (
    2_000_000  # of edges with rows on one slice, 100 bytes each; a GTV as large as the slice has 2,000
)
SAME_PLANE_VOX = 0.05  # contours this near to each other, in slices, were drawn on one plane


@dataclass(frozen=True)
class Drawing:
    """The voxels of some ROIs and what was noticed.

    Attributes:
        mask: uint8 (z, y, x), 0 and 1.
        roi_voxels: voxels of each ROI by itself.
        repeated: contours left out because the same ROI has exactly the same one already.
        beyond_edge: contours partly beyond the pixels of their slice, cut there.
        off_slice_mm: largest distance of a contour's plane from the slice that took it.
        superseded: contour planes left out because another plane of the ROI lies nearer to the slice.
        skipped_slices: slices without contour between two slices whose contours overlap.
    """

    mask: np.ndarray
    roi_voxels: tuple[int, ...]
    repeated: int
    beyond_edge: int
    off_slice_mm: float
    superseded: int
    skipped_slices: int


class ContourOffGrid(ValueError):
    """A contour of ROI number ``roi`` leans out of its slice (``leaning``) or lies off all slices."""

    def __init__(self, roi: int, leaning: bool) -> None:
        super().__init__(f"ROI {roi}: contour {'leans out of' if leaning else 'lies outside'} the slices")
        self.roi = roi
        self.leaning = leaning


class TangledContours(ValueError):
    """The contours of ROI number ``roi`` run to and fro across a slice without end."""

    def __init__(self, roi: int) -> None:
        super().__init__(f"ROI {roi}: contours with more than {MAX_CROSSINGS} crossings on one slice")
        self.roi = roi


def fill(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Pixels inside an odd number of the polygons, bool (y, x).

    Args:
        polygons: arrays (n, 2) of vertices (y, x) in pixels, pixel centres at whole numbers; closed by
            themselves. An inner polygon is a hole, and so is the inside of a keyhole contour.
        shape: rows and columns of the result; what lies beyond is cut off.

    Scan conversion with one crossing for every edge and row (Foley et al. 1990, section 3.6), all edges at
    once.
    """
    rows, columns = shape
    start = np.concatenate([np.asarray(polygon, dtype=float) for polygon in polygons])
    end = np.concatenate([np.roll(np.asarray(polygon, dtype=float), -1, axis=0) for polygon in polygons])
    # Every edge runs from low to high y: the two banks of a keyhole then cross at exactly the same x.
    upward = (start[:, 0] <= end[:, 0])[:, None]
    low, high = np.where(upward, start, end), np.where(upward, end, start)
    first = np.clip(np.ceil(low[:, 0]), 0, rows).astype(np.int64)
    count = np.clip(np.ceil(high[:, 0]), 0, rows).astype(np.int64) - first
    if not count.any():
        return np.zeros(shape, dtype=bool)
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = (high[edge, 1] - low[edge, 1]) / (high[edge, 0] - low[edge, 0])
    crossing = np.round(low[edge, 1] + (row - low[edge, 0]) * slope, DECIMALS)
    column = np.clip(np.ceil(crossing), 0, columns).astype(np.int64)
    top, bottom = int(row.min()), int(row.max()) + 1
    turns = np.bincount((row - top) * (columns + 1) + column, minlength=(bottom - top) * (columns + 1))
    inside = np.zeros(shape, dtype=bool)
    inside[top:bottom] = np.cumsum(turns.reshape(bottom - top, columns + 1), axis=1)[:, :columns] % 2 == 1
    return inside


def draw_rois(rois: Sequence[Sequence[np.ndarray]], grid: Grid, tolerance_mm: float) -> Drawing:
    """The union of ROIs on a CT's own slices.

    Contours of one ROI in one plane are joined by the even-odd rule, so that inner ones are holes; ROIs are
    joined by union. A plane goes to the nearest slice; where several planes of a ROI go to one slice
    (contours drawn on thinner slices), the nearest is taken.

    Args:
        rois: for each ROI its closed contours, arrays (n, 3) of points (x, y, z) in mm LPS, n >= 3.
        grid: grid of the CT.
        tolerance_mm: how far beyond half a slice outside the stack a contour may lie.

    Raises:
        TangledContours: see there.
        ContourOffGrid: a contour leans over more than half a slice, or lies off the stack or wholly beside
            the pixels.
    """
    mask = np.zeros(grid.shape, dtype=bool)
    roi_voxels = []
    repeated = beyond_edge = superseded = skipped = 0
    off_slice_mm = 0.0
    for number, contours in enumerate(rois):
        distinct = {np.round(grid.index_zyx(points), DECIMALS).tobytes(): None for points in contours}
        repeated += len(contours) - len(distinct)
        drawn = []
        for content in distinct:
            index = np.frombuffer(content).reshape(-1, 3)
            _check_place(number, index, grid, tolerance_mm)
            drawn.append((float(np.median(index[:, 0])), index[:, 1:]))
            beyond_edge += _is_cut(index[:, 1:], grid.shape[1:])
        planes = _planes(drawn)
        chosen = _nearest_planes(planes, grid.shape[0])
        superseded += len(planes) - len(chosen)
        voxels = 0
        previous, previous_z = None, 0
        for z, plane in sorted(chosen.items()):
            if _crossings(planes[plane], grid.shape[1]) > MAX_CROSSINGS:
                raise TangledContours(number)
            inside = fill(planes[plane], grid.shape[1:])
            off_slice_mm = max(off_slice_mm, abs(plane - z) * grid.spacing_mm[0])
            if previous is not None and z - previous_z > 1 and np.any(inside & previous):
                skipped += z - previous_z - 1
            mask[z] |= inside
            voxels += int(inside.sum())
            previous, previous_z = inside, z
        roi_voxels.append(voxels)
    return Drawing(
        mask.astype(np.uint8), tuple(roi_voxels), repeated, beyond_edge, off_slice_mm, superseded, skipped
    )


def _check_place(roi: int, index: np.ndarray, grid: Grid, tolerance_mm: float) -> None:
    """Raise ContourOffGrid unless the contour (n, 3) in voxels lies in a slice, at least partly inside."""
    z, in_plane = index[:, 0], index[:, 1:]
    if np.ptp(z) > LEANING_VOX:
        raise ContourOffGrid(roi, leaning=True)
    margin = 0.5 + tolerance_mm / grid.spacing_mm[0]
    beyond = in_plane.max(axis=0) < -0.5, in_plane.min(axis=0) > np.array(grid.shape[1:]) - 0.5
    if not -margin <= np.median(z) <= grid.shape[0] - 1 + margin or np.any(beyond):
        raise ContourOffGrid(roi, leaning=False)


def _crossings(polygons: Sequence[np.ndarray], rows: int) -> float:
    """About how often the polygons (n, 2) cross a row of the slice."""
    heights = [np.clip(polygon[:, 0], 0, rows) for polygon in polygons]
    return sum(float(np.abs(np.diff(height, append=height[0])).sum()) for height in heights)


def _planes(drawn: Sequence[tuple[float, np.ndarray]]) -> dict[float, list[np.ndarray]]:
    """Polygons by plane; planes within ``SAME_PLANE_VOX`` of their lowest contour are one."""
    planes: dict[float, list[np.ndarray]] = {}
    for height, polygon in sorted(drawn, key=lambda pair: pair[0]):
        lowest = next(reversed(planes), None)
        if lowest is None or height - lowest > SAME_PLANE_VOX:
            lowest = height
        planes.setdefault(lowest, []).append(polygon)
    return planes


def _is_cut(polygon: np.ndarray, shape: tuple[int, int]) -> bool:
    return bool(np.any(polygon < -0.5) or np.any(polygon > np.array(shape) - 0.5))


def _nearest_planes(planes: Iterable[float], slices: int) -> dict[int, float]:
    """For each slice that any plane is nearest to, the plane nearest to it."""
    chosen: dict[int, float] = {}
    for plane in sorted(planes):
        z = int(np.clip(np.floor(plane + 0.5), 0, slices - 1))
        if z not in chosen or abs(plane - z) < abs(chosen[z] - z):
            chosen[z] = plane
    return chosen
