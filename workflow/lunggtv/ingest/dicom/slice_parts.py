"""Parts of a structure as its slices show them: what no other slice shows, and slices that are left out."""

import numpy as np

from lunggtv.boxes import box_of
from lunggtv.mask_parts import label_parts, part_boxes


def apart_from(region: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Parts of a region (y, x) that share no pixel with what is shown."""
    parts, _ = label_parts(region, corners=True)
    return region & ~np.isin(parts, np.unique(parts[shown & region]))


def gaps(mask: np.ndarray) -> set[int]:
    """Slices (z of a bool mask) between a part that ends and another that begins above it, the two overlapping."""
    found: set[int] = set()
    box = box_of(mask)
    if box is None:
        return found
    parts, count = label_parts(mask[box], corners=True)
    if count == 1:
        return found
    heights = [part[0] for part in part_boxes(parts)]
    for number, height in enumerate(heights, start=1):
        own = parts[height.stop - 1] == number
        for z in range(height.stop + 1, len(parts)):
            above = np.unique(parts[z][own])
            if any(heights[other - 1].start == z for other in above[above > 0]):
                found |= set(range(height.stop, z))
                break
    return {gap + box[0].start for gap in found}
