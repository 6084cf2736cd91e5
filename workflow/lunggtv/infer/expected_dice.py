"""The Dice to expect of a draft, learnt from out-of-fold predictions, and how far that can be trusted.

A straight line through few patients, drawn back towards their mean Dice (ridge regression), in which every
figure may only speak for what it means: more agreement is never a reason to expect less. With ten or fifty
patients nothing more would hold. The figures mean the same for one model and for an ensemble.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lunggtv.infer.uncertainty import Uncertainty

FEWEST_PATIENTS = 6
RIDGE = 1.0  # in patients: as strong as one patient at one standard deviation


@dataclass(frozen=True)
class ExpectedDice:
    """Dice = intercept + weights . (figures - means) / scales, kept within 0 and 1.

    ``names`` are keys of ``figures``; ``patients`` were learnt from.
    """

    names: tuple[str, ...]
    intercept: float
    weights: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    patients: int

    def estimate(self, uncertainty: Uncertainty) -> float:
        """Expected Dice; 0 where nothing is drawn."""
        values = figures(uncertainty)
        if not values:
            return 0.0
        terms = zip(self.names, self.weights, self.means, self.scales, strict=True)
        total = self.intercept + sum(w * (values[name] - m) / s for name, w, m, s in terms)
        return float(min(max(total, 0.0), 1.0))

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @staticmethod
    def from_dict(content: dict[str, Any]) -> "ExpectedDice":
        """Inverse of ``to_dict``."""
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
        }
        return ExpectedDice(**fields)


def figures(uncertainty: Uncertainty) -> dict[str, float]:
    """What the estimate rests on, larger is better; empty where nothing is drawn."""
    if uncertainty.soft_dice is None or uncertainty.entropy_bits is None:
        return {}
    found = {"certainty": 1.0 - uncertainty.entropy_bits, "soft_dice": uncertainty.soft_dice}
    if uncertainty.mirror_dice is not None:
        found["mirror_dice"] = uncertainty.mirror_dice
    return found


def fit_expected_dice(uncertainties: Sequence[Uncertainty], dice: Sequence[float]) -> ExpectedDice | None:
    """Learn from patients where something was drawn; None if they are fewer than ``FEWEST_PATIENTS``."""
    pairs = [(figures(u), d) for u, d in zip(uncertainties, dice, strict=True)]
    known = [(values, d) for values, d in pairs if values]
    if len(known) < FEWEST_PATIENTS:
        return None
    names = sorted(known[0][0])
    x = np.asarray([[values[name] for name in names] for values, _ in known])
    y = np.asarray([d for _, d in known])
    means, scales = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    z = (x - means) / scales
    weights = np.zeros(len(names))
    kept = np.arange(len(names))
    while kept.size:
        part = z[:, kept]
        found = np.linalg.solve(part.T @ part + RIDGE * np.eye(kept.size), part.T @ (y - y.mean()))
        if (found >= 0).all():
            weights[kept] = found
            break
        kept = np.delete(kept, np.argmin(found))
    return ExpectedDice(
        tuple(names), float(y.mean()), _floats(weights), _floats(means), _floats(scales), len(known)
    )


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
