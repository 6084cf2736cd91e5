"""Where voxels lie: grids in patient space, and the turn to LPS axis order that ingest makes.

A grid's ``spacing_mm`` and ``shape`` are in array order ``(z, y, x)``. ``origin_mm`` is the centre of
voxel (0, 0, 0) in physical LPS coordinates ``(x, y, z)``; ``direction`` is the row-major 3x3 matrix whose
columns are the physical directions of the x, y and z index axes, as ITK and DICOM have it.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import permutations, product
from typing import Any, TypeVar

import numpy as np

Triple = tuple[float, float, float]
Shape = tuple[int, int, int]
T = TypeVar("T")


@dataclass(frozen=True)
class Grid:
    """A regular grid of voxels in patient space."""

    shape: Shape
    spacing_mm: Triple
    origin_mm: Triple
    direction: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"a grid has three axes of at least one voxel, not {self.shape}")
        if len(self.direction) != 9:
            raise ValueError("a direction has nine numbers, row by row")
        if not all(np.isfinite(self.spacing_mm)) or min(self.spacing_mm) <= 0:
            raise ValueError(f"spacing must be positive, not {self.spacing_mm} mm")

    @property
    def matrix(self) -> np.ndarray:
        """3x3 direction matrix; columns are the physical directions of the x, y and z axes."""
        return np.asarray(self.direction, dtype=float).reshape(3, 3)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return voxel_volume_ml(self.spacing_mm)

    @property
    def corners(self) -> np.ndarray:
        """Voxel indices (8, 3) of the corners, in z, y, x."""
        return np.array(list(product(*((0, count - 1) for count in self.shape))))

    def offset_mm(self, other: "Grid") -> float:
        """How far apart the corners of this grid and of another of the same shape lie, at most."""
        apart_mm = self.point_mm(self.corners) - other.point_mm(self.corners)
        return float(np.linalg.norm(apart_mm, axis=1).max())

    def point_mm(self, index_zyx: Any) -> np.ndarray:
        """Physical LPS coordinates (x, y, z) of (fractional) voxel indices, shape (..., 3) in z, y, x."""
        steps = np.asarray(index_zyx, dtype=float) * np.asarray(self.spacing_mm)
        return steps[..., ::-1] @ self.matrix.T + np.asarray(self.origin_mm)

    def index_zyx(self, point_mm: Any) -> np.ndarray:
        """Fractional voxel indices (z, y, x) of physical points (..., 3) in x, y, z; inverse of point_mm."""
        offset = np.asarray(point_mm, dtype=float) - np.asarray(self.origin_mm)
        steps = offset @ np.linalg.inv(self.matrix).T
        return steps[..., ::-1] / np.asarray(self.spacing_mm)

    def cropped(self, start: Shape, shape: Shape) -> "Grid":
        """The grid of the box that begins at voxel ``start`` and has ``shape`` voxels."""
        if min(start) < 0 or any(s + n > full for s, n, full in zip(start, shape, self.shape, strict=True)):
            raise ValueError(f"box {start} + {shape} leaves the grid of {self.shape} voxels")
        return Grid(shape, self.spacing_mm, triple_of(self.point_mm(start)), self.direction)

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return {name: list(values) for name, values in asdict(self).items()}

    @staticmethod
    def from_dict(content: dict[str, Any]) -> "Grid":
        """Inverse of ``to_dict``."""
        return Grid(
            shape_of(content["shape"]),
            triple_of(content["spacing_mm"]),
            triple_of(content["origin_mm"]),
            tuple(float(v) for v in content["direction"]),
        )


@dataclass(frozen=True)
class Orientation:
    """How stored axes become LPS axes: first permute, then flip. Both in array order (z, y, x).

    ``permutation[a]`` is the stored axis that becomes axis ``a``; ``flips[a]`` says whether axis ``a`` is
    reversed after that. No voxel is interpolated, so ``undo`` is exact.
    """

    permutation: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Stored array to LPS order (contiguous copy)."""
        turned = array.transpose(self.permutation)
        return np.ascontiguousarray(turned[self._slices()])

    def undo(self, array: np.ndarray) -> np.ndarray:
        """LPS order back to the stored array (contiguous copy)."""
        inverse = np.argsort(self.permutation)
        return np.ascontiguousarray(array[self._slices()].transpose(inverse))

    def apply_to_grid(self, grid: Grid) -> Grid:
        """The grid of ``apply(array)`` for an array that lies on ``grid``."""
        shape = three_of(grid.shape[axis] for axis in self.permutation)
        spacing_mm = three_of(grid.spacing_mm[axis] for axis in self.permutation)
        corner = [0, 0, 0]
        for axis, flipped in zip(self.permutation, self.flips, strict=True):
            corner[axis] = grid.shape[axis] - 1 if flipped else 0
        columns = np.empty((3, 3))
        for new_axis, (old_axis, flipped) in enumerate(zip(self.permutation, self.flips, strict=True)):
            column = grid.matrix[:, 2 - old_axis]
            columns[:, 2 - new_axis] = -column if flipped else column
        # Adding 0.0 turns the -0.0 of a flipped axis into 0.0: equal grids then print equal.
        direction = tuple(float(v) + 0.0 for v in columns.reshape(-1))
        return Grid(shape, spacing_mm, triple_of(grid.point_mm(corner)), direction)

    def _slices(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return {name: list(values) for name, values in asdict(self).items()}

    @staticmethod
    def from_dict(content: dict[str, Any]) -> "Orientation":
        """Inverse of ``to_dict``."""
        return Orientation(shape_of(content["permutation"]), three_of(bool(f) for f in content["flips"]))


@dataclass(frozen=True)
class Placement:
    """Where a cache lies in its scan, and how the scan was stored.

    ``scan`` is the ingested (LPS) grid, the box is given in its voxels; ``original`` is the stored grid and
    ``orientation`` the turn from stored to LPS axes.
    """

    scan: Grid
    box_start: Shape
    box_shape: Shape
    original: Grid
    orientation: Orientation

    @property
    def box(self) -> Grid:
        """The box's own grid."""
        return self.scan.cropped(self.box_start, self.box_shape)

    @staticmethod
    def from_metadata(metadata: dict[str, Any]) -> "Placement":
        """From a cache's metadata."""
        return Placement(
            Grid.from_dict(metadata["ingested"]),
            shape_of(metadata["box_start"]),
            shape_of(metadata["box_shape"]),
            Grid.from_dict(metadata["original"]),
            Orientation.from_dict(metadata["orientation"]),
        )


def voxel_volume_ml(spacing_mm: Triple) -> float:
    """Volume of a voxel in millilitres."""
    return float(np.prod(spacing_mm)) / 1000.0


def lps_orientation(grid: Grid) -> Orientation:
    """The permutation and flips that bring a grid nearest to LPS; an oblique rest is kept.

    The assignment with the largest total alignment is taken (ties: the smallest permutation), so that
    every axis is used once even at 45 degrees.
    """
    matrix = grid.matrix
    # Physical axis p (0 = x, 1 = y, 2 = z) is array axis 2 - p; index axis i likewise.
    best = max(permutations(range(3)), key=lambda p: sum(abs(matrix[2 - a, 2 - p[a]]) for a in range(3)))
    flips = three_of(bool(matrix[2 - axis, 2 - best[axis]] < 0) for axis in range(3))
    return Orientation(three_of(best), flips)


def triple_of(values: Any) -> Triple:
    """Three numbers as floats; ValueError if they are not three."""
    return three_of(float(value) for value in values)


def shape_of(values: Any) -> Shape:
    """Three numbers as whole ones; ValueError if they are not three."""
    return three_of(int(value) for value in values)


def three_of(values: Iterable[T]) -> tuple[T, T, T]:
    """One value an axis, as they are; ValueError if they are not three."""
    first, second, third = values
    return first, second, third
