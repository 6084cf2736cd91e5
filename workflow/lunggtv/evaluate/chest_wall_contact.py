"""Does a tumour touch the chest wall, the diaphragm or the mediastinum? From CT and label alone.

There the CT shows no border, observers differ most and drafts leak; such tumours are a stratum of their
own. No lung mask is needed: what surrounds the label is either air-filled lung or solid tissue.
"""

import numpy as np
from scipy import ndimage

from lunggtv.boxes import box_of, widened
from lunggtv.geometry import Triple

SOLID_HU = -300  # halfway between lung (about -800) and soft tissue, on the side of the tissue
VESSEL_RADIUS_MM = 4.0  # peripheral vessels are thinner; the wall and the great vessels are not
SURROUNDING_MM = 20.0
# Share of the border voxels that makes it a tumour in contact. On phantoms (full size), tumours within the
# lung reach 0.04, those at the wall or the mediastinum 0.14 to 0.55.
CONTACT_SHARE = 0.1

NEIGHBOURS_26 = np.ones((3, 3, 3), dtype=bool)


def contact_share(ct: np.ndarray, label: np.ndarray, spacing_mm: Triple) -> float | None:
    """Share of the label's border voxels that lie next to thick solid tissue, 0 to 1.

    Solid tissue is what is denser than -300 HU outside the label, opened by 4 mm so that vessels and a
    thin rim left out of the label do not count. None for an empty label.

    Args:
        ct: int16 HU (z, y, x). label: uint8 (z, y, x). spacing_mm: z, y, x.
    """
    box = box_of(label)
    if box is None:
        return None
    margin = tuple(int(np.ceil(SURROUNDING_MM / step)) for step in spacing_mm)
    near = widened(box, margin, label.shape)
    tumour = label[near].astype(bool)
    thick = _opened((ct[near] > SOLID_HU) & ~tumour, spacing_mm)
    border = tumour & ~ndimage.binary_erosion(tumour, NEIGHBOURS_26)
    touching = border & ndimage.binary_dilation(thick, NEIGHBOURS_26)
    return float(np.count_nonzero(touching) / np.count_nonzero(border))


def _opened(mask: np.ndarray, spacing_mm: Triple) -> np.ndarray:
    """What a ball of the vessels' radius can reach inside the mask."""
    if mask.all():
        return mask
    core = ndimage.distance_transform_edt(mask, sampling=spacing_mm) > VESSEL_RADIUS_MM
    if not core.any():
        return core
    return ndimage.distance_transform_edt(~core, sampling=spacing_mm) <= VESSEL_RADIUS_MM
