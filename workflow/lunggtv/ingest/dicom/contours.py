"""Contours to voxels, on the slices they were drawn on; whatever is joined, left out or moved is counted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from lunggtv.geometry import Grid
from lunggtv.ingest.dicom.contour_planes import (
    Contour,
    PlacedContour,
    nearest_slice,
    place_contour,
    planes_by_slice,
)
from lunggtv.ingest.dicom.contour_region import Region, draw_region
from lunggtv.ingest.dicom.contour_shape import FoldedContour
from lunggtv.ingest.dicom.polygon_pairs import Pairs, TangledContours
from lunggtv.ingest.dicom.polygons import is_cut, on_centres
from lunggtv.ingest.dicom.slice_parts import apart_from, gaps

LEAST_CENTRED = 16  # points of a ROI; fewer may lie on pixel centres by chance
ELSEWHERE_VOX = 1.0  # a contour may lie this far, in slices, from the image that it names


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
        findings: by ROI. Their codes: those of ``contour_region.Region``; ``contours_elsewhere``, not on the
            images that they name; ``contours_cut``, partly beyond the pixels; ``contours_between_slices``, planes
            left out because another plane of the ROI lies nearer to the slice; ``parts_between_slices``, such planes
            of which a part was drawn because no slice around shows it; ``contours_on_centres``, through pixel
            centres; ``slices_without_contour`` between two slices whose contours overlap.
    """

    mask: np.ndarray
    roi_voxels: tuple[int, ...]
    off_slice_mm: float
    findings: tuple[Finding, ...]


class UndrawableRoi(ValueError):
    """What the contours of ROI number ``roi`` enclose cannot be told: one is ``folded`` upon itself, or too much."""

    def __init__(self, roi: int, folded: bool) -> None:
        super().__init__(f"ROI {roi}: {'a folded contour' if folded else 'contours without end'}")
        self.roi = roi
        self.folded = folded


Notes = dict[str, Counter[int]]  # of one ROI: how often by code and slice


def draw_rois(
    rois: Sequence[Sequence[Contour]],
    grid: Grid,
    tolerance_mm: float,
    slice_of: Mapping[str, int] = MappingProxyType({}),
) -> Drawing:
    """The union of ROIs on a CT's own slices.

    Contours of one ROI in one plane are joined as ``contour_region`` says; ROIs are joined by union. Where several
    planes of a ROI go to one slice, the nearest is taken, and of the others what no slice around shows.

    Args:
        rois: for each ROI its closed contours, of at least three points each.
        grid: grid of the CT.
        tolerance_mm: how far beyond half a slice outside the stack a contour may lie.
        slice_of: which slice an image is, by its UID.

    Raises:
        UndrawableRoi: see there.
        ContourOffGrid: a contour leans over more than half a slice, or lies off the stack or wholly beside
            the pixels.
    """
    mask: np.ndarray | None = None
    roi_voxels: list[int] = []
    findings: list[Finding] = []
    off_slice_mm = 0.0
    pairs = Pairs(grid.spacing_mm[1:])
    for number, contours in enumerate(rois):
        placed = [place_contour(number, contour, grid, tolerance_mm) for contour in contours]
        try:
            drawn, notes, off_vox = _draw(placed, grid, pairs)
        except (TangledContours, FoldedContour) as error:
            raise UndrawableRoi(number, folded=isinstance(error, FoldedContour)) from None
        _note_images(notes, placed, slice_of)
        mask = drawn if mask is None else mask | drawn
        roi_voxels.append(int(np.count_nonzero(drawn)))
        findings += [
            Finding(code, number, tuple(sorted(slices)), slices.total()) for code, slices in notes.items()
        ]
        off_slice_mm = max(off_slice_mm, off_vox * grid.spacing_mm[0])
    whole = np.zeros(grid.shape, bool) if mask is None else mask
    return Drawing(whole.astype(np.uint8), tuple(roi_voxels), off_slice_mm, tuple(findings))


def _draw(placed: Sequence[PlacedContour], grid: Grid, pairs: Pairs) -> tuple[np.ndarray, Notes, float]:
    """One ROI: its voxels (bool), what was noticed, how far in slices its contours lie off their slices at most."""
    drawn = np.zeros(grid.shape, dtype=bool)
    notes: Notes = {}
    off_vox = 0.0
    by_slice = planes_by_slice(placed, grid.shape[0])
    for z, planes in by_slice.items():
        region = _region(planes.taken, grid, pairs)
        drawn[z] = region.inside
        for code, count in region.counts.items():
            _note(notes, code, z, count)
        off_vox = max(off_vox, *(float(np.abs(one.heights - z).max()) for one in planes.taken))
    between = []
    for z, planes in by_slice.items():
        for plane in planes.left:
            lost = apart_from(
                _region(plane, grid, pairs).inside, np.logical_or.reduce(drawn[max(z - 1, 0) : z + 2])
            )
            between.append((z, lost))
            _note(notes, "parts_between_slices" if lost.any() else "contours_between_slices", z)
        contours = [*planes.taken, *(one for plane in planes.left for one in plane)]
        _note(notes, "contours_cut", z, sum(is_cut(one.polygon, grid.shape[1:]) for one in contours))
    for z, lost in between:
        drawn[z] |= lost
    points = np.concatenate([np.zeros((0, 2)), *(one.polygon for one in placed)])
    if len(points) >= LEAST_CENTRED and on_centres(points):
        for z in by_slice:
            _note(notes, "contours_on_centres", z)
    for z in sorted(gaps(drawn)):
        _note(notes, "slices_without_contour", z)
    return drawn, notes, off_vox


def _note_images(notes: Notes, placed: Sequence[PlacedContour], slice_of: Mapping[str, int]) -> None:
    """Note contours that lie far from all of the images here that they name."""
    for one in placed:
        named = [abs(slice_of[uid] - one.height) for uid in one.images if uid in slice_of]
        if named and min(named) > ELSEWHERE_VOX:
            _note(notes, "contours_elsewhere", nearest_slice(one.height, len(slice_of)))


def _region(plane: Sequence[PlacedContour], grid: Grid, pairs: Pairs) -> Region:
    return draw_region(
        [one.polygon for one in plane], [one.exclusive for one in plane], grid.shape[1:], pairs
    )


def _note(notes: Notes, code: str, z: int, count: int = 1) -> None:
    if count:
        notes.setdefault(code, Counter())[z] += count
