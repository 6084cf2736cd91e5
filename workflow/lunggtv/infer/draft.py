"""From probability to the drawn mask, and from the box back to the scan as it was stored."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lunggtv.geometry import Grid, Orientation, Shape
from lunggtv.infer.lesions import drop_small
from lunggtv.resampling import paste_box, resample_probability

PERCENT = 100


@dataclass(frozen=True)
class Place:
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
    def from_metadata(metadata: dict[str, Any]) -> "Place":
        """From a cache's metadata."""
        return Place(
            Grid.from_dict(metadata["ingested"]),
            _shape(metadata["box_start"]),
            _shape(metadata["box_shape"]),
            Grid.from_dict(metadata["original"]),
            Orientation.from_dict(metadata["orientation"]),
        )


@dataclass(frozen=True)
class Draft:
    """What was drawn: ``mask`` (uint8) and ``probability`` (float32) on the box, and what was left out."""

    mask: np.ndarray
    probability: np.ndarray
    dropped_ml: float


def draw(
    probability: np.ndarray, grid: Grid, place: Place, threshold: float, smallest_lesion_ml: float
) -> Draft:
    """Draw the GTV in the box at the scan's own voxels.

    Args:
        probability: (z, y, x) float32 on the cache's grid.
        grid: the cache's grid.
        place: where the cache lies.
        threshold: voxels with at least this probability are drawn.
        smallest_lesion_ml: connected parts below this volume are dropped.
    """
    native = resample_probability(probability, grid, place.box)
    drawn = (native >= threshold).astype(np.uint8)
    kept = drop_small(drawn, place.scan.voxel_ml, smallest_lesion_ml)
    dropped_vox = int(drawn.sum(dtype=np.int64)) - int(kept.sum(dtype=np.int64))
    return Draft(kept, native, dropped_vox * place.scan.voxel_ml)


def as_stored(array: np.ndarray, place: Place) -> np.ndarray:
    """An array on the box, put back into the scan and turned to its stored axes; zero elsewhere."""
    return place.orientation.undo(paste_box(array, place.box_start, place.scan.shape, 0))


def to_percent(probability: np.ndarray) -> np.ndarray:
    """Probabilities as uint8 percent."""
    return np.rint(probability * PERCENT).astype(np.uint8)


def _shape(values: Any) -> Shape:
    z, y, x = (int(value) for value in values)
    return (z, y, x)
