"""Contours to voxels, on the slices they were drawn on; whatever is joined, left out or moved is counted."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from lunggtv.geometry import Grid
from lunggtv.ingest.contour_region import Region, draw_region
from lunggtv.ingest.polygon_pairs import TangledContours
from lunggtv.ingest.polygons import DECIMALS
from lunggtv.ingest.slice_parts import apart_from, gaps

LEANING_VOX = 0.5  # a contour may lean this much, in slices, before it is of another orientation
SAME_PLANE_VOX = 0.05  # contours this near to each other, in slices, were drawn on one plane

ELSEWHERE_VOX = 1.0  # a contour may lie this far, in slices, from the image that it names


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
class Finding:
    """Something about the contours of ROI number ``roi``: on which slices, and how often in all."""

    code: str
    roi: int
    slices: tuple[int, ...]
    count: int


@dataclass(frozen=True)
class Drawing:
    """The voxels of some ROIs and what was noticed.

    Attributes:
        mask: uint8 (z, y, x), 0 and 1.
        roi_voxels: voxels of each ROI by itself.
        off_slice_mm: largest distance of a contour's point from the slice that took it.
        findings: by ROI. Their codes: ``repeated_contours``, ``crossing_contours``, ``contours_crossing_themselves``,
            ``contour_slips``, ``holes``, ``large_holes``, ``contours_without_voxels``, as ``contour_region.Region``
            counts them; ``contours_elsewhere``, not on the images that they name; ``contours_cut``, partly beyond
            the pixels; ``contours_between_slices``, planes left out because another plane of the ROI lies nearer to
            the slice; ``parts_between_slices``, such planes of which a part was drawn because no slice around shows
            it; ``slices_without_contour`` between two slices whose contours overlap.
    """

    mask: np.ndarray
    roi_voxels: tuple[int, ...]
    off_slice_mm: float
    findings: tuple[Finding, ...]


class ContourOffGrid(ValueError):
    """A contour of ROI number ``roi`` leans out of its slice (``leaning``) or lies off all slices."""

    def __init__(self, roi: int, leaning: bool) -> None:
        super().__init__(f"ROI {roi}: contour {'leans out of' if leaning else 'lies outside'} the slices")
        self.roi = roi
        self.leaning = leaning


class TangledRoi(ValueError):
    """The contours of ROI number ``roi`` run to and fro across a slice without end."""

    def __init__(self, roi: int) -> None:
        super().__init__(f"ROI {roi}: contours that cross a slice, or one another, without end")
        self.roi = roi


@dataclass(frozen=True)
class _Placed:
    """A contour in voxels: heights (n,) along the stack, polygon (n, 2)."""

    heights: np.ndarray
    polygon: np.ndarray
    exclusive: bool


@dataclass
class _Notes:
    """Findings of one ROI as they come: slices and counts by code."""

    slices: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, code: str, z: int, count: int = 1) -> None:
        if count:
            self.slices[code].add(z)
            self.counts[code] += count

    def findings(self, roi: int) -> list[Finding]:
        return [
            Finding(code, roi, tuple(sorted(slices)), self.counts[code])
            for code, slices in self.slices.items()
        ]


def draw_rois(
    rois: Sequence[Sequence[Contour]],
    grid: Grid,
    tolerance_mm: float,
    slice_of: Mapping[str, int] = MappingProxyType({}),
) -> Drawing:
    """The union of ROIs on a CT's own slices.

    Contours of one ROI in one plane are joined as ``contour_region`` says; ROIs are joined by union. A plane goes to
    the nearest slice; where several planes of a ROI go to one slice (contours drawn on thinner slices), the
    nearest is taken, and of the others what no slice around shows.

    Args:
        rois: for each ROI its closed contours, of at least three points each.
        grid: grid of the CT.
        tolerance_mm: how far beyond half a slice outside the stack a contour may lie.
        slice_of: which slice an image is, by its UID.

    Raises:
        TangledRoi: see there.
        ContourOffGrid: a contour leans over more than half a slice, or lies off the stack or wholly beside
            the pixels.
    """
    mask = np.zeros(grid.shape, dtype=bool)
    roi_voxels: list[int] = []
    findings: list[Finding] = []
    off_slice_mm = 0.0
    for number, contours in enumerate(rois):
        placed = [_placed(number, contour, grid, tolerance_mm) for contour in contours]
        try:
            drawn, notes, off_vox = _draw(placed, grid)
            _note_images(notes, contours, placed, slice_of)
        except TangledContours:
            raise TangledRoi(number) from None
        mask |= drawn
        roi_voxels.append(int(np.count_nonzero(drawn)))
        findings += notes.findings(number)
        off_slice_mm = max(off_slice_mm, off_vox * grid.spacing_mm[0])
    return Drawing(mask.astype(np.uint8), tuple(roi_voxels), off_slice_mm, tuple(findings))


def _placed(roi: int, contour: Contour, grid: Grid, tolerance_mm: float) -> _Placed:
    """A contour in voxels; raises ContourOffGrid unless it lies in a slice, at least partly inside."""
    index = np.round(grid.index_zyx(contour.points), DECIMALS)
    z, in_plane = index[:, 0], index[:, 1:]
    if np.ptp(z) > LEANING_VOX:
        raise ContourOffGrid(roi, leaning=True)
    margin = 0.5 + tolerance_mm / grid.spacing_mm[0]
    beyond = in_plane.max(axis=0) < -0.5, in_plane.min(axis=0) > np.array(grid.shape[1:]) - 0.5
    if not -margin <= np.median(z) <= grid.shape[0] - 1 + margin or np.any(beyond):
        raise ContourOffGrid(roi, leaning=False)
    return _Placed(z, in_plane, contour.exclusive)


def _draw(placed: Sequence[_Placed], grid: Grid) -> tuple[np.ndarray, _Notes, float]:
    """One ROI: its voxels (bool), what was noticed, how far in slices its contours lie off their slices at most."""
    drawn = np.zeros(grid.shape, dtype=bool)
    notes = _Notes()
    off_vox = 0.0
    planes = _planes(placed)
    nearest = _nearest_planes(planes, grid.shape[0])
    for z, height in nearest.items():
        region = _region(planes[height], grid)
        drawn[z] = region.inside
        _note_region(notes, z, region)
        off_vox = max(off_vox, *(float(np.abs(one.heights - z).max()) for one in planes[height]))
    beside = drawn.copy()
    for height in planes.keys() - set(nearest.values()):
        z = _nearest_slice(height, grid.shape[0])
        lost = apart_from(_region(planes[height], grid).inside, drawn[max(z - 1, 0) : z + 2].any(axis=0))
        beside[z] |= lost
        notes.add("parts_between_slices" if lost.any() else "contours_between_slices", z)
    for one in placed:
        z = _nearest_slice(float(np.median(one.heights)), grid.shape[0])
        notes.add("contours_cut", z, int(_is_cut(one.polygon, grid.shape[1:])))
    for z in sorted(gaps(beside)):
        notes.add("slices_without_contour", z)
    return beside, notes, off_vox


def _note_images(
    notes: _Notes, contours: Sequence[Contour], placed: Sequence[_Placed], slice_of: Mapping[str, int]
) -> None:
    """Note contours that lie far from all of the images here that they name."""
    for contour, one in zip(contours, placed, strict=True):
        height = float(np.median(one.heights))
        named = [abs(slice_of[uid] - height) for uid in contour.images if uid in slice_of]
        if named and min(named) > ELSEWHERE_VOX:
            notes.add("contours_elsewhere", _nearest_slice(height, max(slice_of.values()) + 1))


def _region(plane: Sequence[_Placed], grid: Grid) -> Region:
    return draw_region(
        [one.polygon for one in plane], [one.exclusive for one in plane], grid.shape[1:], grid.spacing_mm[1:]
    )


def _note_region(notes: _Notes, z: int, region: Region) -> None:
    notes.add("repeated_contours", z, region.repeated)
    notes.add("crossing_contours", z, region.crossing)
    notes.add("contours_crossing_themselves", z, region.crossing_themselves)
    notes.add("contour_slips", z, region.slips)
    notes.add("holes", z, region.holes)
    notes.add("large_holes", z, region.large_holes)
    notes.add("contours_without_voxels", z, region.without_pixels)


def _planes(placed: Sequence[_Placed]) -> dict[float, list[_Placed]]:
    """Contours by plane; planes within ``SAME_PLANE_VOX`` of their lowest contour are one."""
    planes: dict[float, list[_Placed]] = {}
    for one in sorted(placed, key=lambda one: float(np.median(one.heights))):
        height = float(np.median(one.heights))
        lowest = next(reversed(planes), None)
        if lowest is None or height - lowest > SAME_PLANE_VOX:
            lowest = height
        planes.setdefault(lowest, []).append(one)
    return planes


def _nearest_planes(planes: Iterable[float], slices: int) -> dict[int, float]:
    """For each slice that any plane is nearest to, the plane nearest to it."""
    chosen: dict[int, float] = {}
    for plane in sorted(planes):
        z = _nearest_slice(plane, slices)
        if z not in chosen or abs(plane - z) < abs(chosen[z] - z):
            chosen[z] = plane
    return chosen


def _nearest_slice(height: float, slices: int) -> int:
    return int(np.clip(np.floor(height + 0.5), 0, slices - 1))


def _is_cut(polygon: np.ndarray, shape: tuple[int, ...]) -> bool:
    return bool(np.any(polygon < -0.5) or np.any(polygon > np.array(shape) - 0.5))
