"""From Hounsfield units to what the network sees: clip to a window, then z-score.

The statistics come from the training patients of one fold only and travel with its model. Every patient
counts the same, however large the tumour. Air is always inside the window: the border between lung and air
is what tells a tumour on the pleura from the chest wall, and nnU-Net's percentile window may clip it away.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

AIR_HU = -1000.0
LOWEST_HU, HIGHEST_HU = -32768, 32767  # int16
UPPER_PERCENTILE = 99.5  # of GTV voxels, as nnU-Net's CT scheme
LEAST_UPPER_HU = 150.0  # contrast-filled vessels stay apart from the tumour beside them
LEAST_STD_HU = 50.0  # a cohort of flat tumours must not blow noise up


@dataclass(frozen=True)
class Normalisation:
    """Window and z-score in HU."""

    lower_hu: float
    upper_hu: float
    mean_hu: float
    std_hu: float

    def apply(self, ct_hu: Tensor) -> Tensor:
        """Normalised float32 tensor of any shape, from HU of any number type."""
        return (ct_hu.float().clamp(self.lower_hu, self.upper_hu) - self.mean_hu) / self.std_hu

    @property
    def air(self) -> float:
        """The value air has after ``apply``: what to pad with."""
        return (max(AIR_HU, self.lower_hu) - self.mean_hu) / self.std_hu

    def to_dict(self) -> dict[str, float]:
        """Plain types for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(content: dict[str, Any]) -> "Normalisation":
        """Inverse of ``to_dict``."""
        return Normalisation(**{key: float(value) for key, value in content.items()})


def fit_normalisation(patients: Iterable[tuple[np.ndarray, np.ndarray]]) -> Normalisation:
    """Statistics of (ct int16 HU, label uint8) pairs; exact, and independent of the patients' order.

    The window reaches from air to the 99.5th percentile of GTV voxels, mean and standard deviation are
    those of GTV voxels inside it. Where no patient has a GTV, all voxels of the boxes serve instead.
    """
    gtv = np.zeros(HIGHEST_HU - LOWEST_HU + 1)
    box = np.zeros_like(gtv)
    for ct, label in patients:
        box += _histogram(ct.reshape(-1))
        voxels = ct[label > 0]
        if voxels.size:
            gtv += _histogram(voxels)
    counts = gtv if gtv.any() else box
    if not counts.any():
        raise ValueError("normalisation needs at least one training patient")
    values = np.arange(LOWEST_HU, HIGHEST_HU + 1, dtype=float)
    cumulative = np.cumsum(counts) / counts.sum()
    percentile = values[np.searchsorted(cumulative, UPPER_PERCENTILE / 100)]
    upper = max(float(percentile), LEAST_UPPER_HU)
    clipped = np.clip(values, AIR_HU, upper)
    mean = float((counts * clipped).sum() / counts.sum())
    variance = float((counts * (clipped - mean) ** 2).sum() / counts.sum())
    return Normalisation(AIR_HU, upper, mean, max(variance**0.5, LEAST_STD_HU))


def _histogram(voxels: np.ndarray) -> np.ndarray:
    """Share of each HU among a patient's voxels. Rounded, so that sums do not depend on their order."""
    counts = np.bincount(voxels.astype(np.int64) - LOWEST_HU, minlength=HIGHEST_HU - LOWEST_HU + 1)
    return np.round(counts / voxels.size * 2.0**40)
