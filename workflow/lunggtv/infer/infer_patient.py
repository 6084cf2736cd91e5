"""A prediction and what out-of-fold predictions taught in, a patient's draft on the original grid out."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lunggtv.files import file_digest, read_json, write_json
from lunggtv.geometry import Placement
from lunggtv.infer.draft import Draft, as_stored, draw
from lunggtv.infer.draft_lesions import find_lesions
from lunggtv.infer.expected_dice import ExpectedDice
from lunggtv.infer.prediction_file import Prediction, read_prediction
from lunggtv.infer.review import review_reasons, touched_faces
from lunggtv.infer.rounding import rounded
from lunggtv.infer.uncertainty import measure_uncertainty
from lunggtv.masks import to_percent
from lunggtv.nifti_files import write_nifti


def infer_patient(
    *,
    prediction_path: str | Path,
    calibration_path: str | Path,
    fold: int | None,
    review_dice: float,
    mask_path: str | Path,
    json_path: str | Path,
    probability_path: str | Path | None = None,
) -> None:
    """Draw a patient's GTV on exactly the grid of the original CT.

    Args:
        prediction_path: what the models say, see ``predict_patient``.
        calibration_path: threshold, smallest lesion and expected Dice, see ``calibrate_drafts``.
        fold: the patient's own fold, for what the other folds teach; None for an unlabelled patient.
        review_dice: expected Dice, or Dice between models, below this calls for a closer look.
        mask_path: ``gtv.nii.gz`` to write, uint8.
        json_path: ``infer.json`` to write.
        probability_path: ``probability.nii.gz`` to write, uint8 percent, or None.

    Raises:
        DamagedFile: the prediction cannot be read.
    """
    prediction = read_prediction(prediction_path)
    calibration = read_json(calibration_path)
    lesson = calibration["all"] if fold is None else calibration["folds"][str(fold)]
    place = Placement.from_metadata(prediction.cache)
    mean = prediction.mean
    draft = draw(mean, prediction.grid, place, lesson["threshold"], lesson["smallest_lesion_ml"])
    content = rounded(_describe(prediction, mean, draft, place, lesson, review_dice))
    content["calibration_sha256"] = file_digest(calibration_path)
    content["expected_dice_quality"] = calibration["quality"]
    write_nifti(mask_path, as_stored(draft.mask, place), place.original)
    if probability_path is not None:
        write_nifti(probability_path, as_stored(to_percent(draft.probability), place), place.original)
    write_json(json_path, content)
    for reason in content["review"]:
        logging.warning("Patient %s: %s", prediction.patient, reason)
    logging.info(
        "Patient %s: %.2f ml in %d parts.", prediction.patient, content["volume_ml"], len(content["lesions"])
    )


def _describe(
    prediction: Prediction,
    mean: np.ndarray,
    draft: Draft,
    place: Placement,
    lesson: dict[str, Any],
    review_dice: float,
) -> dict[str, Any]:
    """The content of infer.json."""
    lesions = find_lesions(draft.mask, place.box)
    uncertainty = measure_uncertainty(prediction.probabilities, mean, lesson["threshold"])
    expected = None
    if lesson["expected_dice"] is not None:
        expected = ExpectedDice(**lesson["expected_dice"]).estimate(uncertainty)
    faces = touched_faces(draft.mask, place.box_start, place.scan.shape)
    return {
        "cache_sha256": prediction.cache_sha256,
        "dropped_ml": draft.dropped_ml,
        "expected_dice": expected,
        "lesions": [asdict(lesion) for lesion in lesions],
        "models": prediction.models,
        "patient": prediction.patient,
        "review": list(review_reasons(
            lesions, uncertainty, lesson["threshold"], draft.dropped_ml, faces, prediction.cache["fallback"],
            expected, review_dice,
        )),
        "smallest_lesion_ml": lesson["smallest_lesion_ml"],
        "threshold": lesson["threshold"],
        "uncertainty": asdict(uncertainty),
        "volume_ml": int(draft.mask.sum(dtype=np.int64)) * place.scan.voxel_ml,
    }  # fmt: skip
