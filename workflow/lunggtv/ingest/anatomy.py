"""Body and lungs on a thinned grid, for the checks that need anatomy; cheap and rough by intent."""

import numpy as np

from lunggtv.geometry import Triple, three_of, voxel_volume_ml
from lunggtv.mask_parts import label_in_slices, label_parts, largest_part

THIN_MM = 4.0  # distance of the voxels looked at
BODY_HU = -500
LUNG_HU = -400
LUNG_ML = 300.0  # a smaller air space is no lung


def thinning(spacing_mm: Triple) -> tuple[slice, slice, slice]:
    """Every how many voxels of each axis to look at: about 4 mm, never closer than the grid itself."""
    return three_of(slice(None, None, max(1, round(THIN_MM / step))) for step in spacing_mm)


def thinned_mm(spacing_mm: Triple) -> Triple:
    """Spacing of the thinned grid."""
    return three_of(step * thin.step for step, thin in zip(spacing_mm, thinning(spacing_mm), strict=True))


def body_mask(ct: np.ndarray) -> np.ndarray:
    """The patient's body, lungs included: the largest dense part, filled slice by slice.

    Args:
        ct: HU in LPS order, thinned.
    """
    # The opening cuts the couch and its padding off the back.
    return _filled(largest_part(_opened(ct > BODY_HU, 3)))


def lung_mask(ct: np.ndarray, body: np.ndarray, spacing_mm: Triple) -> np.ndarray:
    """The one or two largest air spaces of the body, with the airways that hang on them; empty if none.

    Args:
        ct, body: thinned, LPS order.
        spacing_mm: of the thinned grid.
    """
    air = _opened(body & (ct < LUNG_HU), 2)
    parts, _ = label_parts(air)
    volumes_ml = np.bincount(parts.reshape(-1)) * voxel_volume_ml(spacing_mm)
    volumes_ml[0] = 0.0
    largest = [part for part in np.argsort(volumes_ml)[:-3:-1] if volumes_ml[part] > LUNG_ML]
    return np.isin(parts, largest)


def _opened(mask: np.ndarray, side: int) -> np.ndarray:
    """What squares of ``side`` voxels within a slice cover without leaving the mask; beyond the slice is nothing."""
    _, rows, columns = mask.shape
    if min(rows, columns) < side:
        return np.zeros_like(mask)
    whole_y = np.logical_and.reduce([mask[:, i : rows - side + 1 + i] for i in range(side)])
    whole = np.logical_and.reduce([whole_y[:, :, i : columns - side + 1 + i] for i in range(side)])
    opened = np.zeros_like(mask)
    for y in range(side):
        for x in range(side):
            opened[:, y : rows - side + 1 + y, x : columns - side + 1 + x] |= whole
    return opened


def _filled(mask: np.ndarray) -> np.ndarray:
    """The mask and what it encloses within a slice."""
    gaps, count = label_in_slices(~mask)
    outside = np.zeros(count + 1, bool)
    for border in (gaps[:, 0], gaps[:, -1], gaps[:, :, 0], gaps[:, :, -1]):
        outside[border] = True
    outside[0] = False
    return ~outside[gaps]
