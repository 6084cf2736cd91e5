"""Settings of the evaluation, keys of the config section ``evaluate``; their meaning stands in config.yaml."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EvaluateSettings:
    """What a patient's scores depend on; ``tolerances_mm`` in any order."""

    tolerances_mm: tuple[float, ...]
    lesion_overlap: float


@dataclass(frozen=True)
class CohortSettings:
    """What the cohort's statistics depend on; ``volume_edges_ml`` in any order."""

    resamples: int
    seed: int
    volume_edges_ml: tuple[float, ...]
