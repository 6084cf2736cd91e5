"""The voxel spacing that a cohort of scans proposes for its caches."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low
from typing import Any


def proposing(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those rows of verdicts.tsv whose scans propose a geometry: accepted and warned patients.

    Where patients have a label, these alone: networks learn from them.
    """
    everybody = list(rows)
    labelled = [row for row in everybody if row.get("set") == "labelled"]
    return [row for row in labelled or everybody if row["verdict"] in ("accepted", "warned")]


def numbers_of(cell: str) -> list[float]:
    """The numbers of a cell such as ``5 1.17 1.17``."""
    return [float(number) for number in cell.split()]


def propose_spacing(spacings_mm: Sequence[Sequence[float]]) -> list[float]:
    """A cache spacing (z, y, x) in mm for a cohort: the median patient's, in plane and between slices.

    The median of the patients' own spacings is what nnU-Net plans with (Isensee et al. 2021); with an even count
    the lower of the two in the middle, which some scan has. Rounded to 0.01 mm, as finer differences mean nothing.
    """
    if not spacings_mm:
        raise ValueError("no spacings to choose from")
    in_plane = median_low([(y * x) ** 0.5 for _, y, x in spacings_mm])
    between = median_low([z for z, _, _ in spacings_mm])
    return [round(between, 2), round(in_plane, 2), round(in_plane, 2)]
