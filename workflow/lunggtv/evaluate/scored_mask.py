"""The mask that is scored against a patient's label, as its scores and its picture see it."""

from pathlib import Path

import numpy as np

from lunggtv.errors import UnusableMask
from lunggtv.geometry import Grid, Orientation
from lunggtv.mask_files import read_mask
from lunggtv.volume import Volume


def read_scored(path: str | Path, volume: Volume) -> np.ndarray:
    """A mask on the patient's original grid, stored in any axis order, turned to LPS as ingest turned the CT; 0 and 1.

    Raises:
        UnusableMask: another grid, or other values than 0 and 1.
        UnreadableImage: the file is missing or no whole image.
    """
    original = Grid.from_dict(volume.metadata["original"])
    mask = zero_and_one(path, read_mask(path, original, f"the CT of patient {volume.patient}"))
    return Orientation.from_dict(volume.metadata["orientation"]).apply(mask)


def zero_and_one(path: str | Path, mask: np.ndarray) -> np.ndarray:
    """A mask of whole numbers as uint8; raises UnusableMask if it holds others than 0 and 1."""
    inside = mask == 1
    if not np.all(inside | (mask == 0)):
        found = ", ".join(f"{value:g}" for value in np.unique(mask)[:10])
        raise UnusableMask(f"{path}: holds the values {found}; write the mask with 0 and 1 only.")
    return inside.view(np.uint8)
