"""What a mask holds, whoever drew it."""

import numpy as np

PERCENT = 100


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
