"""What a mask holds, whoever drew it."""

import numpy as np

PERCENT = 100


def to_percent(probability: np.ndarray) -> np.ndarray:
    """Probabilities as uint8 percent."""
    return np.rint(probability * PERCENT).astype(np.uint8)
