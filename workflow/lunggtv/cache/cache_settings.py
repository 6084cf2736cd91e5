"""The settings of the cache stage: the config section ``cache``, whose meaning stands in config.yaml."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Margins:
    """How far the box reaches beyond the lungs in each direction, in mm."""

    cranial: float
    caudal: float
    anterior: float
    posterior: float
    left: float
    right: float

    @property
    def low_mm(self) -> tuple[float, float, float]:
        """Margins at the low ends of z, y and x (LPS order: feet, front, right)."""
        return (self.caudal, self.anterior, self.right)

    @property
    def high_mm(self) -> tuple[float, float, float]:
        """Margins at the high ends of z, y and x (LPS order: head, back, left)."""
        return (self.cranial, self.posterior, self.left)


@dataclass(frozen=True)
class CacheSettings:
    """What a cache is made of; ``spacing_mm`` is (z, y, x), None for an axis that keeps its own.

    It is never ``auto``, for which the plan's numbers stand (``lunggtv.geometry_plan``).
    """

    spacing_mm: tuple[float | None, float | None, float | None]
    keep_native_within: float
    margin_mm: Margins
    lungs: str | None
