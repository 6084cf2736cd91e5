"""How well the expected Dice of drafts meets the Dice that was found."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lunggtv.failed_dice import FAILED_DICE
from lunggtv.statistics import auroc, drawn_patients, interval

FEWEST_OF_A_KIND = 3  # failed and other patients below which an interval of the AUROC means nothing
RESAMPLES, SEED = 2000, 0


def measure_quality(expected: Sequence[float], dice: Sequence[float]) -> dict[str, Any]:
    """How well expected Dice, made without the patient's own fold, meets the Dice found.

    Returns:
        ``patients``, ``failed`` (Dice below ``FAILED_DICE``), ``mean_absolute_error`` and ``auroc`` (that a
        failed patient is expected lower than another; ties half; null without both kinds), each with a
        bootstrap interval over patients (``_ci95``; null where few patients could only pretend one).
    """
    expected_dice, found_dice = np.asarray(expected, dtype=float), np.asarray(dice, dtype=float)
    draws = drawn_patients(len(dice), RESAMPLES, SEED)
    errors, failed = np.abs(expected_dice - found_dice), found_dice < FAILED_DICE
    areas = []
    if min(failed.sum(), (~failed).sum()) >= FEWEST_OF_A_KIND:
        drawn = (auroc(-expected_dice[draw], failed[draw]) for draw in draws)
        areas = [area for area in drawn if area is not None]
    return {
        "patients": len(dice),
        "failed": int(failed.sum()),
        "mean_absolute_error": float(errors.mean()),
        "mean_absolute_error_ci95": interval(errors[draws].mean(axis=1)),
        "auroc": auroc(-expected_dice, failed),
        "auroc_ci95": interval(areas) if areas else None,
    }
