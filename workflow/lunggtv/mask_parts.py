"""Connected parts of masks, by cc3d: they are numbered as SciPy numbers them, and are loaded and found in a tenth of
the time."""

from typing import Literal

import cc3d
import numpy as np

# By the number of axes: through sides alone, and through edges and corners as well.
CONNECTIVITY: dict[int, tuple[Literal[4, 6], Literal[8, 26]]] = {2: (4, 8), 3: (6, 26)}


def label_parts(mask: np.ndarray, corners: bool = False) -> tuple[np.ndarray, int]:
    """Number the connected parts of a mask from 1 on.

    Args:
        mask: 2 or 3 axes, bool or 0 and 1.
        corners: whether voxels that share an edge or a corner alone are connected, too. Those of a lesion are: with
            5 mm slices an oblique tumour often goes on diagonally.

    Returns:
        The numbers on the mask's grid in the order of the parts' first voxels, 0 outside; and how many parts there are.
    """
    if corners and mask.ndim == 2:
        # cc3d 4.1.1 gives background numbers, too, if it is asked for the corners of two axes.
        labels, count = label_parts(mask[None], corners)
        return labels[0], count
    # A row of voxels has no corners, and cc3d 4.1.1 fails on one of odd length if it is asked for them.
    corners = corners and sum(side > 1 for side in mask.shape) > 1
    connectivity = CONNECTIVITY[mask.ndim][corners]
    mask = np.ascontiguousarray(mask)
    return cc3d.connected_components(mask, connectivity=connectivity, return_N=True)


def largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask (bool), of equals the first; corners alone connect nothing."""
    labels, count = label_parts(mask)
    return labels == np.bincount(labels.reshape(-1))[1:].argmax() + 1 if count else np.zeros_like(mask)


def border_parts(labels: np.ndarray) -> np.ndarray:
    """Numbers of the parts of ``label_parts`` (two axes) that reach the border of the array."""
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.unique(border[border > 0])


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
