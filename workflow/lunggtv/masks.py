"""Masks compared, grown and stored."""

import numpy as np

PERCENT = 100


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Dice of two masks of one shape, bool or 0 and 1; 1 if both are empty."""
    both, in_first, in_second = (int(np.count_nonzero(mask)) for mask in (first & second, first, second))
    return dice_of_counts(both, in_first, in_second)


def dice_of_counts(both: int, first: int, second: int) -> float:
    """Dice of two masks of which so many voxels lie in both, in the first and in the second."""
    total = first + second
    return float(2 * both / total) if total else 1.0


def grown(mask: np.ndarray, corners: bool, beyond: bool = False) -> np.ndarray:
    """A mask (..., y, x) of bool with the neighbours of its pixels within the slice.

    Args:
        corners: whether all eight neighbours count, or the four that share a side.
        beyond: whether what lies outside the array is in the mask.
    """
    wider = mask.copy()
    wider[..., 1:, :] |= mask[..., :-1, :]
    wider[..., :-1, :] |= mask[..., 1:, :]
    source = wider.copy() if corners else mask
    wider[..., 1:] |= source[..., :-1]
    wider[..., :-1] |= source[..., 1:]
    if beyond:
        wider[..., [0, -1], :] = True
        wider[..., [0, -1]] = True
    return wider


def to_percent(probability: np.ndarray) -> np.ndarray:
    """Probabilities as uint8 percent."""
    return np.rint(probability * PERCENT).astype(np.uint8)
