"""Overlap, volume, position and ends of two masks: what needs voxel counts only.

Masks are uint8 (z, y, x) with 0 and 1 on one grid. Every number is finite for empty masks too; signed
quantities that have no meaning there are None.
"""

from dataclasses import dataclass

import numpy as np

from lunggtv.boxes import box_of
from lunggtv.geometry import Triple
from lunggtv.masks import dice_of_counts


@dataclass(frozen=True)
class Overlap:
    """Voxels in the label, in the prediction, and in both."""

    label: int
    prediction: int
    both: int

    @property
    def dice(self) -> float:
        """2 both / (label + prediction); 1 if both masks are empty."""
        return dice_of_counts(self.both, self.label, self.prediction)

    @property
    def jaccard(self) -> float:
        """both / union; 1 if both masks are empty."""
        return _share(self.both, self.label + self.prediction - self.both, 1.0)

    @property
    def sensitivity(self) -> float:
        """both / label; for an empty label 1 without a prediction, else 0."""
        return _share(self.both, self.label, 0.0 if self.prediction else 1.0)

    @property
    def precision(self) -> float:
        """both / prediction; for an empty prediction 1 without a label, else 0."""
        return _share(self.both, self.prediction, 0.0 if self.label else 1.0)


def overlap_of(label: np.ndarray, prediction: np.ndarray) -> Overlap:
    """Count the voxels of two masks."""
    both = np.count_nonzero(label & prediction)
    return Overlap(int(np.count_nonzero(label)), int(np.count_nonzero(prediction)), int(both))


def volume_error_percent(overlap: Overlap) -> float | None:
    """100 (prediction - label) / label; None for a false alarm, which has nothing to compare with."""
    if overlap.label == 0:
        return None if overlap.prediction else 0.0
    return 100.0 * (overlap.prediction - overlap.label) / overlap.label


def centroid_mm(mask: np.ndarray, spacing_mm: Triple) -> np.ndarray:
    """Mean position of a mask's voxels, z, y, x in mm from voxel (0, 0, 0); the mask is not empty."""
    # Sums along the axes instead of a list of voxels: a large mask costs no memory.
    means = []
    for axis in range(3):
        line = mask.sum(axis=tuple(other for other in range(3) if other != axis), dtype=np.int64)
        means.append(float(line @ np.arange(line.size)) / float(line.sum()))
    return np.array(means) * np.asarray(spacing_mm)


def end_errors_slices(label: np.ndarray, prediction: np.ndarray) -> tuple[int, int]:
    """Slices by which the prediction passes the label's cranial and caudal end; negative: falls short.

    z grows towards the head. Raises ValueError where a mask is empty.
    """
    label_box, prediction_box = box_of(label), box_of(prediction)
    if label_box is None or prediction_box is None:
        raise ValueError("an empty mask has no ends")
    label_z, prediction_z = label_box[0], prediction_box[0]
    return prediction_z.stop - label_z.stop, label_z.start - prediction_z.start


def diagonal_mm(shape: tuple[int, ...], spacing_mm: Triple) -> float:
    """Length of an image's diagonal, from outer corner to outer corner."""
    return float(np.linalg.norm(np.asarray(shape) * np.asarray(spacing_mm)))


def _share(part: int, whole: int, if_empty: float) -> float:
    return part / whole if whole else if_empty
