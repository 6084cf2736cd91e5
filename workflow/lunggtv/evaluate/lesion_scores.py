"""Lesions: connected components of the label, found or missed; components of the prediction, true or false.

Voxels that touch by a face, an edge or a corner belong together. The rules:

* a lesion of the label is **found** if the prediction covers at least a given share of its volume;
* a component of the prediction is **false** if it shares no voxel with the label;
* a component that touches a lesion without covering the share is neither: it is a poor contour, which
  Dice and the surface metrics measure;
* the **Dice of a lesion** compares it with all predicted components that touch it, taken together.
"""

from dataclasses import dataclass

import numpy as np

from lunggtv.geometry import Triple, voxel_volume_ml
from lunggtv.mask_parts import label_parts
from lunggtv.masks import dice_of_counts


@dataclass(frozen=True)
class Lesion:
    """A component of the label. ``covered``: share of its volume in the prediction."""

    volume_ml: float
    covered: float
    dice: float
    found: bool


@dataclass(frozen=True)
class LesionMatch:
    """Lesions of the label and the false components (ml) of the prediction, both largest first."""

    lesions: tuple[Lesion, ...]
    false_ml: tuple[float, ...]

    @property
    def found(self) -> int:
        """Number of lesions found."""
        return sum(lesion.found for lesion in self.lesions)


def match_lesions(
    label: np.ndarray, prediction: np.ndarray, spacing_mm: Triple, overlap: float
) -> LesionMatch:
    """Match the components of two masks (z, y, x); ``overlap`` is the share that makes a lesion found."""
    lesions, lesion_count = label_parts(label, corners=True)
    parts, part_count = label_parts(prediction, corners=True)
    lesion_voxels = np.bincount(lesions[label > 0], minlength=lesion_count + 1)
    part_voxels = np.bincount(parts[prediction > 0], minlength=part_count + 1)
    both = (label & prediction) > 0
    common = np.zeros((lesion_count + 1, part_count + 1), dtype=np.int64)
    np.add.at(common, (lesions[both], parts[both]), 1)
    voxel_ml = voxel_volume_ml(spacing_mm)
    matched = []
    for number in range(1, lesion_count + 1):
        touching = common[number] > 0
        covered = common[number].sum() / lesion_voxels[number]
        drawn = part_voxels[touching].sum()
        dice = dice_of_counts(common[number].sum(), lesion_voxels[number], drawn)
        volume_ml = float(lesion_voxels[number] * voxel_ml)
        matched.append(Lesion(volume_ml, float(covered), dice, bool(covered >= overlap)))
    matched.sort(key=lambda lesion: -lesion.volume_ml)
    is_false = common.sum(axis=0)[1:] == 0
    false_ml = sorted((float(n * voxel_ml) for n in part_voxels[1:][is_false]), reverse=True)
    return LesionMatch(tuple(matched), tuple(false_ml))
