"""Settings of the evaluation, built once from the checked config section ``evaluate``."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EvaluateSettings:
    """What a patient's scores depend on.

    ``tolerances_mm``: tolerances of the surface Dice. ``lesion_overlap``: smallest share of a lesion's
    volume that must be drawn for the lesion to count as found.
    """

    tolerances_mm: tuple[float, ...]
    lesion_overlap: float

    @staticmethod
    def from_config(section: dict[str, Any]) -> "EvaluateSettings":
        """From the section ``evaluate``; keys of the cohort's statistics are left aside."""
        return EvaluateSettings(
            tuple(sorted(float(tolerance) for tolerance in section["tolerances_mm"])),
            float(section["lesion_overlap"]),
        )


@dataclass(frozen=True)
class CohortSettings:
    """What the cohort's statistics depend on.

    ``resamples`` and ``seed``: of the bootstrap over patients. ``volume_edges_ml``: limits between the
    strata of label volume, ascending.
    """

    resamples: int
    seed: int
    volume_edges_ml: tuple[float, ...]

    @staticmethod
    def from_config(section: dict[str, Any]) -> "CohortSettings":
        """From the section ``evaluate``; keys of the patients' scores are left aside."""
        return CohortSettings(
            int(section["resamples"]),
            int(section["seed"]),
            tuple(sorted(float(edge) for edge in section["volume_edges_ml"])),
        )
