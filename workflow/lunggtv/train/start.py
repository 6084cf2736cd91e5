"""What a fold begins from instead of random weights."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lunggtv.model.architecture import Architecture
from lunggtv.model.normalisation import Normalisation


@dataclass(frozen=True)
class Start:
    """What a fold begins from: weights by name, the normalisation of HU that they expect, and whom they know.

    Attributes:
        scans: digests of the CTs that they learnt from, directly or through what they began from themselves.
        weights_sha256: digest of their file.
    """

    weights: dict[str, Tensor]
    architecture: Architecture
    normalisation: Normalisation
    scans: frozenset[str]
    weights_sha256: str

    @property
    def identity(self) -> dict[str, Any]:
        """Plain types that tell it from any other start."""
        return {"normalisation": self.normalisation.to_dict(), "weights_sha256": self.weights_sha256}
