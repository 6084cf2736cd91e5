"""What a pair of masks is before any metric: comparable, missed, a false alarm, or empty on both sides."""

from typing import Literal

from lunggtv.failed_dice import FAILED_DICE

Outcome = Literal["scored", "missed", "false_alarm", "both_empty"]

OUTCOMES: tuple[Outcome, ...] = ("scored", "missed", "false_alarm", "both_empty")


def outcome_of(label_voxels: int, prediction_voxels: int) -> Outcome:
    """The outcome of two masks with these numbers of voxels.

    ``missed``: there is a tumour and no draft at all. ``false_alarm``: there is a draft and no tumour.
    ``both_empty``: the right answer to an empty label. A draft beside the tumour, without a common voxel,
    is ``scored``: its Dice is 0 and its distances are real ones.
    """
    if label_voxels and prediction_voxels:
        return "scored"
    if label_voxels:
        return "missed"
    return "false_alarm" if prediction_voxels else "both_empty"


def is_failure(outcome: str, dice: float) -> bool:
    """Missed, a false alarm, or a Dice below ``FAILED_DICE``."""
    return outcome in ("missed", "false_alarm") or dice < FAILED_DICE


def empty_distance_mm(outcome: str, diagonal_mm: float) -> float:
    """The value of every distance metric where a surface is absent.

    Nothing to find and nothing drawn is no error: 0. Otherwise the image's diagonal: no distance inside
    the image is longer, so a missed tumour is never better than any draft.
    """
    return 0.0 if outcome == "both_empty" else diagonal_mm
