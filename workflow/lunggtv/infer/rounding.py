"""Numbers as results hold them."""

from typing import Any

import numpy as np

DECIMALS = 6


def rounded(value: Any) -> Any:
    """Plain types for JSON at any depth; floats have ``DECIMALS``."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [rounded(item) for item in value]
    return round(float(value), DECIMALS) if isinstance(value, float) else value
