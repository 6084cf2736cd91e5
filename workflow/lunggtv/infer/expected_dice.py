"""The Dice to expect of a draft, learnt from out-of-fold predictions, and how far that can be trusted.

A straight line through few patients, drawn back towards their mean Dice (ridge regression): with ten or fifty
patients nothing more would hold. The figures it uses mean the same for one model and for an ensemble.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lunggtv.infer.uncertainty import Uncertainty

FEWEST_PATIENTS = 8
RIDGE = 1.0  # in patients: as strong as one patient at one standard deviation
FAILED_DICE = 0.5
RESAMPLES = 2000
INTERVAL = (2.5, 97.5)  # percentiles


@dataclass(frozen=True)
class ExpectedDice:
    """Dice = intercept + weights . (figures - means) / scales, kept within 0 and 1.

    The figures are those of ``figures``; ``patients`` were learnt from.
    """

    intercept: float
    weights: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    patients: int

    def estimate(self, uncertainty: Uncertainty) -> float:
        """Expected Dice; 0 where nothing is drawn."""
        values = figures(uncertainty)
        if values is None:
            return 0.0
        terms = zip(self.weights, values, self.means, self.scales, strict=True)
        total = self.intercept + sum(w * (v - m) / s for w, v, m, s in terms)
        return float(min(max(total, 0.0), 1.0))

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @staticmethod
    def from_dict(content: dict[str, Any]) -> "ExpectedDice":
        """Inverse of ``to_dict``."""
        return ExpectedDice(
            float(content["intercept"]),
            tuple(float(v) for v in content["weights"]),
            tuple(float(v) for v in content["means"]),
            tuple(float(v) for v in content["scales"]),
            int(content["patients"]),
        )


def figures(uncertainty: Uncertainty) -> tuple[float, float] | None:
    """What the estimate rests on: soft Dice and entropy; None where nothing is drawn."""
    if uncertainty.soft_dice is None or uncertainty.entropy_bits is None:
        return None
    return (uncertainty.soft_dice, uncertainty.entropy_bits)


def fit_expected_dice(uncertainties: Sequence[Uncertainty], dice: Sequence[float]) -> ExpectedDice | None:
    """Learn from patients where something was drawn; None if they are fewer than ``FEWEST_PATIENTS``."""
    pairs = [(figures(u), d) for u, d in zip(uncertainties, dice, strict=True)]
    known = [(values, d) for values, d in pairs if values is not None]
    if len(known) < FEWEST_PATIENTS:
        return None
    x = np.asarray([values for values, _ in known])
    y = np.asarray([d for _, d in known])
    means, scales = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    z = (x - means) / scales
    weights = np.linalg.solve(z.T @ z + RIDGE * np.eye(z.shape[1]), z.T @ (y - y.mean()))
    return ExpectedDice(float(y.mean()), _floats(weights), _floats(means), _floats(scales), len(known))


def measure_quality(expected: Sequence[float], dice: Sequence[float], seed: int = 0) -> dict[str, Any]:
    """How well expected Dice, made without the patient's own fold, meets the Dice found.

    Returns:
        ``patients``, ``failed`` (Dice below ``FAILED_DICE``), ``mean_absolute_error`` and ``auroc`` (that a
        failed patient is expected lower than another; ties half; null without both kinds), each with a
        bootstrap interval over patients (``_ci95``).
    """
    expected, dice = np.asarray(expected, dtype=float), np.asarray(dice, dtype=float)
    draws = np.random.default_rng(seed).integers(0, len(dice), (RESAMPLES, len(dice)))
    errors = np.abs(expected - dice)
    areas = [_auroc(expected[draw], dice[draw]) for draw in draws]
    found = [area for area in areas if area is not None]
    auroc = _auroc(expected, dice)
    return {
        "patients": len(dice),
        "failed": int((dice < FAILED_DICE).sum()),
        "mean_absolute_error": float(errors.mean()),
        "mean_absolute_error_ci95": _interval(errors[draws].mean(axis=1)),
        "auroc": auroc,
        "auroc_ci95": _interval(found) if auroc is not None and found else None,
    }


def _auroc(expected: np.ndarray, dice: np.ndarray) -> float | None:
    failed = dice < FAILED_DICE
    if failed.all() or not failed.any():
        return None
    low, high = expected[failed][:, None], expected[~failed][None]
    return float(((low < high) + 0.5 * (low == high)).mean())


def _interval(values: Any) -> list[float]:
    return [float(value) for value in np.percentile(values, INTERVAL)]


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
