"""What out-of-fold predictions teach: where to draw the border, and what is too small to keep.

Every labelled patient counts once, predicted by the model that never saw it. Dice is taken on the cache's
grid.
"""

from collections.abc import Sequence

import numpy as np

from lunggtv.infer.draft_lesions import is_large
from lunggtv.mask_parts import label_parts
from lunggtv.masks import dice_of_counts

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
USUAL_THRESHOLD = 0.5
# No larger part is ever dropped: a tumour of 1 cm (stage T1a) has 0.5 ml.
SMALLEST_LESIONS_ML = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)


def dice_curve(probability: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Dice of the voxels at or above each of ``THRESHOLDS``; 1 where both masks are empty.

    Args:
        probability: (z, y, x) float32.
        label: (z, y, x), non-zero is GTV.
    """
    # How many thresholds a voxel reaches; from its histogram follow the voxels drawn at each of them.
    reached = np.searchsorted(np.asarray(THRESHOLDS, dtype=np.float32), probability, side="right")
    drawn = _from_above(reached.reshape(-1))
    overlap = _from_above(reached[label > 0])
    labelled = int(np.count_nonzero(label))
    return np.asarray([dice_of_counts(*pair, labelled) for pair in zip(overlap, drawn, strict=True)])


def lesion_curve(
    drawn: np.ndarray, label: np.ndarray, voxel_ml: float, sizes_ml: Sequence[float] = SMALLEST_LESIONS_ML
) -> np.ndarray:
    """Dice of a mask after dropping connected parts below each of ``sizes_ml``."""
    parts, count = label_parts(drawn, corners=True)
    volumes = np.bincount(parts.reshape(-1), minlength=count + 1)[1:]
    overlaps = np.bincount(parts[label > 0], minlength=count + 1)[1:]
    kept = [is_large(volumes, voxel_ml, smallest_ml) for smallest_ml in sizes_ml]
    labelled = int(np.count_nonzero(label))
    return np.asarray([dice_of_counts(overlaps[k].sum(), volumes[k].sum(), labelled) for k in kept])


def choose_threshold(curves: np.ndarray) -> float:
    """The threshold nearest to one half that is as good as the best.

    ``curves`` has a ``dice_curve`` a row. As good: the mean loss against the best threshold, patient by
    patient, is within its standard error, so that chance in few patients does not move the border.
    """
    best = int(np.argmax(curves.mean(axis=0)))
    lost = curves[:, best : best + 1] - curves
    error = lost.std(axis=0, ddof=1) / np.sqrt(len(lost)) if len(lost) > 1 else np.zeros(len(THRESHOLDS))
    good = np.flatnonzero(lost.mean(axis=0) <= error)
    return min((THRESHOLDS[i] for i in good), key=lambda t: (round(abs(t - USUAL_THRESHOLD), 6), t))


def choose_smallest_lesion(curves: np.ndarray, sizes_ml: Sequence[float] = SMALLEST_LESIONS_ML) -> float:
    """The size below which dropping parts gives the best mean Dice; of equals the smallest."""
    return sizes_ml[int(np.argmax(np.round(curves.mean(axis=0), 9)))]


def _from_above(reached: np.ndarray) -> np.ndarray:
    counts = np.bincount(reached, minlength=len(THRESHOLDS) + 1)
    return counts[:0:-1].cumsum()[::-1]
