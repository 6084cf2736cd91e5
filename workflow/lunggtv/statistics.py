"""Statistics over patients: description, bootstrap intervals, ranking quality, paired comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

INTERVAL_PERCENT = (2.5, 97.5)


def describe(values: Sequence[float], resamples: int, seed: int) -> dict[str, Any]:
    """Mean, median, quartiles and range with 95 % bootstrap intervals of mean and median.

    Patients are drawn with replacement (Efron 1979, percentile interval); the same seed and number of
    patients draw the same patients for every metric. Without values: ``n`` 0 and None for the rest.
    """
    sample = np.asarray(values, dtype=float)
    names = ("mean", "median", "q1", "q3", "minimum", "maximum", "sd", "ci95", "median_ci95")
    if sample.size == 0:
        return {"n": 0} | dict.fromkeys(names)
    drawn = sample[drawn_patients(sample.size, resamples, seed)]
    q1, median, q3 = np.percentile(sample, (25, 50, 75))
    return {
        "n": int(sample.size),
        "mean": float(sample.mean()),
        "median": float(median),
        "q1": float(q1),
        "q3": float(q3),
        "minimum": float(sample.min()),
        "maximum": float(sample.max()),
        "sd": float(sample.std(ddof=1)) if sample.size > 1 else 0.0,
        "ci95": interval(drawn.mean(axis=1)),
        "median_ci95": interval(np.median(drawn, axis=1)),
    }


def auroc(scores: np.ndarray | Sequence[float], is_positive: np.ndarray | Sequence[bool]) -> float | None:
    """Probability that a positive case scores higher than a negative one (ties count half).

    None unless both kinds occur.
    """
    score = np.asarray(scores, dtype=float)
    positive = np.asarray(is_positive, dtype=bool)
    above, below = score[positive], score[~positive]
    if not above.size or not below.size:
        return None
    wins = (above[:, None] > below).mean() + 0.5 * (above[:, None] == below).mean()
    return float(wins)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None for fewer than three pairs or where one side is constant."""
    if len(first) < 3 or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    return float(_scipy_stats().spearmanr(first, second).statistic)


@dataclass(frozen=True)
class PairedDifference:
    """Differences of two measurements of the same patients (first minus second)."""

    mean_difference: float
    median_difference: float
    ci95: list[float]
    wilcoxon_p: float


def paired_difference(
    first: Sequence[float], second: Sequence[float], resamples: int, seed: int
) -> PairedDifference:
    """Mean and median difference, bootstrap 95 % interval of the mean, Wilcoxon's signed-rank p.

    Patients without a difference are left out of the ranks (Wilcoxon 1945); if that is everybody, p is 1.
    """
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    drawn = difference[drawn_patients(difference.size, resamples, seed)]
    p = float(_scipy_stats().wilcoxon(difference).pvalue) if difference.any() else 1.0
    return PairedDifference(
        float(difference.mean()), float(np.median(difference)), interval(drawn.mean(axis=1)), p
    )


def drawn_patients(count: int, resamples: int, seed: int) -> np.ndarray:
    """Bootstrap draws with replacement: (resamples, count) numbers of patients."""
    return np.random.default_rng(seed).integers(0, count, size=(resamples, count))


def interval(statistics: np.ndarray | Sequence[float]) -> list[float]:
    """The 95 % percentile interval of a bootstrapped statistic."""
    low, high = np.percentile(statistics, INTERVAL_PERCENT)
    return [float(low), float(high)]


def _scipy_stats() -> Any:
    from scipy import stats  # here, since loading it takes longer than most jobs

    return stats
