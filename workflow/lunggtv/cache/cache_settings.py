"""The settings of the cache stage, built once from the checked config section ``cache``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
    """What a cache is made of; meanings and units stand in config.yaml."""

    spacing_mm: tuple[float | None, float | None, float | None]
    keep_native_within: float
    margin_mm: Margins
    lungs: str | None

    @staticmethod
    def from_config(section: Mapping[str, Any]) -> "CacheSettings":
        """The settings of the config section ``cache``; an unknown key raises TypeError."""
        content = dict(section)
        z, y, x = content.pop("spacing_mm")
        return CacheSettings(spacing_mm=(z, y, x), margin_mm=Margins(**content.pop("margin_mm")), **content)
