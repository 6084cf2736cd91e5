"""A CT's slices on their grid, some of whose planes may lie between slices: to the slices' own numbers and back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lunggtv.geometry import Grid
from lunggtv.ingest.dicom.contour_planes import Contour, place_contour, planes_by_slice


@dataclass(frozen=True)
class SliceStack:
    """Slices on a grid.

    Attributes:
        grid: regular.
        planes: the plane of the grid on which each slice lies, ascending from 0 to the last plane.
    """

    grid: Grid
    planes: tuple[int, ...]

    @property
    def added(self) -> int:
        """Planes of the grid without a slice."""
        return self.grid.shape[0] - len(self.planes)

    @property
    def slices_alone(self) -> Grid:
        """A grid of the slices alone, as if they lay one plane apart: where ``straightened`` contours are drawn."""
        return replace(self.grid, shape=(len(self.planes), *self.grid.shape[1:]))

    def straightened(self, contours: Sequence[Contour]) -> Sequence[Contour]:
        """Contours on ``slices_alone``: as far between its slices as they are between those of the CT."""
        if not self.added:
            return contours
        return [replace(one, points=self._straightened(one.points)) for one in contours]

    def spread(self, on_slices: np.ndarray) -> np.ndarray:
        """An array of the slices alone on the grid; 0 on the planes between."""
        if not self.added:
            return on_slices
        array = np.zeros(self.grid.shape, on_slices.dtype)
        array[list(self.planes)] = on_slices
        return array

    def off_slice_mm(self, rois: Sequence[Sequence[Contour]], tolerance_mm: float) -> float:
        """How far contours (``straightened``, drawable) lie from the slices that take them, at most."""
        off_mm = [0.0]
        for number, contours in enumerate(rois):
            placed = [place_contour(number, one, self.slices_alone, tolerance_mm) for one in contours]
            for z, planes in planes_by_slice(placed, len(self.planes)).items():
                heights = np.concatenate([one.heights for one in planes.taken])
                off = np.abs(self._plane(heights) - self.planes[z]).max()
                off_mm.append(float(off) * self.grid.spacing_mm[0])
        return max(off_mm)

    def _straightened(self, points: np.ndarray) -> np.ndarray:
        index = self.grid.index_zyx(points)
        index[:, 0] = _interpolated(index[:, 0], np.array(self.planes), np.arange(len(self.planes)))
        return self.slices_alone.point_mm(index)

    def _plane(self, numbers: np.ndarray) -> np.ndarray:
        """(Fractional) planes of the grid from numbers of slices."""
        return _interpolated(numbers, np.arange(len(self.planes)), np.array(self.planes))


def _interpolated(values: np.ndarray, at: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Piecewise linear from ``at`` to ``to``; beyond the ends the outermost piece goes on."""
    piece = np.clip(np.searchsorted(at, values, side="right") - 1, 0, len(at) - 2)
    slope = (to[piece + 1] - to[piece]) / (at[piece + 1] - at[piece])
    return to[piece] + (values - at[piece]) * slope
