"""Which slice of a CT a contour belongs to, and which contours of a structure lie in one plane."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lunggtv.geometry import Grid
from lunggtv.ingest.dicom.polygons import DECIMALS

# All in slices.
LEANING_VOX = 0.5  # a contour may lean this much before it is of another orientation
SAME_PLANE_VOX = 0.05  # contours this near to each other were drawn on one plane
JITTER_VOX = 0.12  # likewise, where the planes are no series finer than the slices
SERIES_VOX = (0.1, 0.75)  # distance of the planes of such a series
SERIES_SHARE = 0.8  # of the planes that keep that distance
TIE_VOX = 1e-3  # a plane halfway between two slices goes to the upper one, whatever rounding made of it


@dataclass(frozen=True)
class Contour:
    """A closed contour.

    Attributes:
        points: (n, 3), x, y, z in mm LPS.
        exclusive: whether it is a CLOSEDPLANAR_XOR.
        images: UIDs of the images that it says it was drawn on.
    """

    points: np.ndarray
    exclusive: bool = False
    images: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True)
class PlacedContour:
    """A contour in voxels: heights (n,) along the stack, their median, polygon (n, 2) in the slice."""

    heights: np.ndarray
    height: float
    polygon: np.ndarray
    exclusive: bool
    images: frozenset[str] = field(repr=False)


@dataclass(frozen=True)
class SlicePlanes:
    """The contours that one slice takes, and those of other planes nearest to it, plane by plane."""

    taken: list[PlacedContour]
    left: list[list[PlacedContour]]


class ContourOffGrid(ValueError):
    """A contour of ROI number ``roi`` leans out of its slice (``leaning``) or lies off all slices."""

    def __init__(self, roi: int, leaning: bool) -> None:
        super().__init__(f"ROI {roi}: contour {'leans out of' if leaning else 'lies outside'} the slices")
        self.roi = roi
        self.leaning = leaning


def place_contour(roi: int, contour: Contour, grid: Grid, tolerance_mm: float) -> PlacedContour:
    """A contour in voxels; raises ContourOffGrid unless it lies in a slice, at least partly inside.

    Args:
        tolerance_mm: how far beyond half a slice outside the stack it may lie.
    """
    index = np.round(grid.index_zyx(contour.points), DECIMALS)
    z, in_plane = index[:, 0], index[:, 1:]
    height = float(np.median(z))
    if np.ptp(z) > LEANING_VOX:
        raise ContourOffGrid(roi, leaning=True)
    margin = 0.5 + tolerance_mm / grid.spacing_mm[0]
    beyond = in_plane.max(axis=0) < -0.5, in_plane.min(axis=0) > np.array(grid.shape[1:]) - 0.5
    if not -margin <= height <= grid.shape[0] - 1 + margin or np.any(beyond):
        raise ContourOffGrid(roi, leaning=False)
    return PlacedContour(z, height, in_plane, contour.exclusive, contour.images)


def planes_by_slice(contours: Sequence[PlacedContour], slices: int) -> dict[int, SlicePlanes]:
    """The contours of one structure by the slice nearest to their plane, from the lowest slice up.

    Where several planes go to one slice, the nearest is taken. Planes of contours drawn on thinner slices are
    told apart; else contours a little off each other in height belong to one plane, a hole to its outline.
    """
    planes = _planes(contours)
    together = SAME_PLANE_VOX if _is_finer_series(list(planes)) else JITTER_VOX
    by_slice: dict[int, list[float]] = {}
    for height in planes:
        by_slice.setdefault(nearest_slice(height, slices), []).append(height)
    found = {}
    for z, heights in by_slice.items():
        nearest = min(heights, key=lambda height: abs(height - z))
        taken = [height for height in heights if abs(height - nearest) <= together]
        left = [planes[height] for height in heights if height not in taken]
        found[z] = SlicePlanes([one for height in taken for one in planes[height]], left)
    return found


def nearest_slice(height: float, slices: int) -> int:
    """The slice that a plane goes to."""
    return int(np.clip(np.floor(height + 0.5 + TIE_VOX), 0, slices - 1))


def _planes(contours: Sequence[PlacedContour]) -> dict[float, list[PlacedContour]]:
    """Contours by plane, from the lowest up; planes within ``SAME_PLANE_VOX`` of their lowest contour are one."""
    planes: dict[float, list[PlacedContour]] = {}
    for one in sorted(contours, key=lambda one: one.height):
        lowest = next(reversed(planes), None)
        if lowest is None or one.height - lowest > SAME_PLANE_VOX:
            lowest = one.height
        planes.setdefault(lowest, []).append(one)
    return planes


def _is_finer_series(heights: list[float]) -> bool:
    """Whether planes follow one another at one distance that is shorter than that of the slices."""
    steps = np.diff(heights)
    if not len(steps):
        return False
    step = float(np.median(steps))
    regular = float(np.mean(np.abs(steps - step) <= 0.1 * step + SAME_PLANE_VOX / 2))
    return SERIES_VOX[0] <= step <= SERIES_VOX[1] and regular >= SERIES_SHARE
