"""All out-of-fold predictions in, ``calibration.json`` out: how to draw, and what Dice to expect."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lunggtv.errors import CohortError
from lunggtv.files import write_json
from lunggtv.infer.calibration import (
    SMALLEST_LESIONS_ML,
    THRESHOLDS,
    choose_smallest_lesion,
    choose_threshold,
    dice_curve,
    lesion_curve,
)
from lunggtv.infer.draft_quality import measure_quality
from lunggtv.infer.expected_dice import ExpectedDice, fit_expected_dice
from lunggtv.infer.infer_settings import DrawingSettings
from lunggtv.infer.prediction_file import Prediction, read_prediction
from lunggtv.infer.rounding import rounded
from lunggtv.infer.uncertainty import Uncertainty, measure_uncertainty
from lunggtv.volume import read_volume


@dataclass(frozen=True, kw_only=True)
class LabelledFiles:
    """One labelled patient: its fold, its out-of-fold prediction, and its cache, which holds the label."""

    fold: int
    prediction: str | Path
    cache: str | Path


@dataclass(frozen=True)
class Lesson:
    """What a group of patients teaches."""

    patients: int
    threshold: float
    smallest_lesion_ml: float
    expected_dice: ExpectedDice | None


@dataclass(frozen=True)
class _Drawn:
    """A patient drawn at one threshold: Dice for each smallest lesion, and the uncertainty."""

    dice: np.ndarray
    uncertainty: Uncertainty


def calibrate_drafts(
    patients: Mapping[str, LabelledFiles], settings: DrawingSettings, calibration_path: str | Path
) -> None:
    """Write ``calibration.json``.

    ``all`` is for unlabelled patients; ``folds`` has for the labelled patients of each fold what the *other*
    folds teach, so that their scores stay honest. Beside them: the mean curve that the threshold of ``all``
    comes from, every patient's out-of-fold Dice and expected Dice, and how well these agree.

    Args:
        patients: labelled patients, each predicted by a model that never saw it.
        settings: a fixed threshold or smallest lesion is taken as it is.
        calibration_path: file to write.

    Raises:
        CohortError: there is no patient, or one has no label.
        RejectedPatient, DamagedFile: a file cannot be used.
    """
    if not patients:
        raise CohortError("There is no labelled patient, and so nothing to calibrate drafts with.")
    folds = sorted({files.fold for files in patients.values()})
    groups: dict[int | None, list[str]] = {None: list(patients)}
    for fold in folds:
        groups[fold] = [p for p, files in patients.items() if files.fold != fold] or list(patients)
    curves = {patient: _curve(patient, files) for patient, files in patients.items()}
    thresholds = {
        fold: settings.threshold or choose_threshold(np.stack([curves[patient] for patient in group]))
        for fold, group in groups.items()
    }
    sizes_ml = SMALLEST_LESIONS_ML if settings.smallest_lesion_ml is None else (settings.smallest_lesion_ml,)
    wanted = sorted(set(thresholds.values()))
    drawn = {patient: _draw(patient, files, wanted, sizes_ml) for patient, files in patients.items()}
    lessons = {
        fold: _learn([drawn[patient][thresholds[fold]] for patient in group], thresholds[fold], sizes_ml)
        for fold, group in groups.items()
    }
    rows = []
    known: list[tuple[float, float]] = []  # expected Dice, Dice
    for patient, files in patients.items():
        lesson = lessons[files.fold]
        own = drawn[patient][lesson.threshold]
        expected = lesson.expected_dice.estimate(own.uncertainty) if lesson.expected_dice else None
        dice = float(own.dice[sizes_ml.index(lesson.smallest_lesion_ml)])
        rows.append({"dice": dice, "expected_dice": expected, "fold": files.fold, "patient": patient})
        if expected is not None:
            known.append((expected, dice))
    quality = measure_quality([one for one, _ in known], [one for _, one in known]) if known else None
    content = {
        "all": asdict(lessons[None]),
        "curve": {"mean_dice": np.mean(list(curves.values()), axis=0), "thresholds": list(THRESHOLDS)},
        "folds": {str(fold): asdict(lessons[fold]) for fold in folds},
        "patients": rows,
        "quality": quality,
    }
    write_json(calibration_path, rounded(content))


def _curve(patient: str, files: LabelledFiles) -> np.ndarray:
    prediction, label, _ = _read(patient, files)
    return dice_curve(prediction.mean, label)


def _draw(
    patient: str, files: LabelledFiles, thresholds: Sequence[float], sizes_ml: Sequence[float]
) -> dict[float, _Drawn]:
    prediction, label, voxel_ml = _read(patient, files)
    mean = prediction.mean
    found = {}
    for threshold in thresholds:
        mask = mean >= threshold
        dice = lesion_curve(mask, label, voxel_ml, sizes_ml)
        found[threshold] = _Drawn(dice, measure_uncertainty(prediction.probabilities, mean, threshold))
    return found


def _learn(group: Sequence[_Drawn], threshold: float, sizes_ml: Sequence[float]) -> Lesson:
    curves = np.stack([patient.dice for patient in group])
    smallest_ml = choose_smallest_lesion(curves, sizes_ml)
    dice = curves[:, sizes_ml.index(smallest_ml)]
    expected = fit_expected_dice([patient.uncertainty for patient in group], list(dice))
    return Lesson(len(group), threshold, smallest_ml, expected)


def _read(patient: str, files: LabelledFiles) -> tuple[Prediction, np.ndarray, float]:
    volume = read_volume(files.cache, "cache")
    if volume.label is None:
        raise CohortError(f"Patient {patient}: {files.cache} has no label; only labelled patients calibrate.")
    return read_prediction(files.prediction), volume.label, volume.grid.voxel_ml
