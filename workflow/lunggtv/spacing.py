"""The voxel spacing that a cohort of scans proposes for its caches."""

from collections.abc import Sequence
from statistics import median


def propose_spacing(spacings_mm: Sequence[Sequence[float]]) -> list[float]:
    """A cache spacing (z, y, x) in mm for a cohort: the median patient's, in plane and between slices.

    The median of the patients' own spacings is what nnU-Net plans with (Isensee et al. 2021); rounded to
    0.01 mm, as finer differences mean nothing.
    """
    if not spacings_mm:
        raise ValueError("no spacings to choose from")
    in_plane = median((y * x) ** 0.5 for _, y, x in spacings_mm)
    between = median(z for z, _, _ in spacings_mm)
    return [round(between, 2), round(in_plane, 2), round(in_plane, 2)]
