"""Connected parts of masks, by cc3d: SciPy is as fast at it, but loading it takes longer than a stage works on them."""

import cc3d
import numpy as np

# A draft this far from the label has to be drawn anew rather than edited: counted as failed, everywhere.
FAILED_DICE = 0.5
PERCENT = 100


def label_parts(mask: np.ndarray, corners: bool = False) -> tuple[np.ndarray, int]:
    """Number the connected parts of a mask from 1 on.

    Args:
        mask: 2 or 3 axes, bool or 0 and 1.
        corners: whether voxels that share an edge or a corner alone are connected, too.

    Returns:
        The numbers on the mask's grid, 0 outside, and how many parts there are.
    """
    if corners and mask.ndim == 2:
        # cc3d 4.1.1 gives background numbers, too, if it is asked for the corners of two axes.
        labels, count = label_parts(mask[None], corners)
        return labels[0], count
    # A row of voxels has no corners, and cc3d 4.1.1 fails on one of odd length if it is asked for them.
    corners = corners and sum(side > 1 for side in mask.shape) > 1
    connectivity = {2: (4, 8), 3: (6, 26)}[mask.ndim][corners]
    mask = np.ascontiguousarray(mask)
    return cc3d.connected_components(mask, connectivity=connectivity, return_N=True)


def label_in_slices(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """As ``label_parts`` for three axes, each slice of the first axis for itself."""
    labels = np.zeros(mask.shape, np.int32)
    total = 0
    for into, plane in zip(labels, mask, strict=True):
        parts, count = label_parts(plane)
        np.add(parts, total, out=into, where=parts > 0, casting="unsafe")
        total += count
    return labels, total


def part_boxes(labels: np.ndarray) -> list[tuple[slice, ...]]:
    """The smallest box around each part of ``label_parts``, the first of part 1."""
    return [box[: labels.ndim] for box in cc3d.statistics(labels)["bounding_boxes"][1:]]


def box_of(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around a mask that is not empty."""
    box = []
    for axis in range(mask.ndim):
        hit = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return tuple(box)


def to_percent(probability: np.ndarray) -> np.ndarray:
    """Probabilities as uint8 percent."""
    return np.rint(probability * PERCENT).astype(np.uint8)
