"""All metrics of one pair of masks, as a flat record of plain types."""

from dataclasses import asdict
from typing import Any

import numpy as np

from lunggtv.boxes import box_at, box_of, joint_box
from lunggtv.evaluate import metrics
from lunggtv.evaluate.contour import added_path, contour_pixels, pixel_mm
from lunggtv.evaluate.evaluate_settings import EvaluateSettings
from lunggtv.evaluate.lesion_scores import match_lesions
from lunggtv.evaluate.outcomes import empty_distance_mm, outcome_of
from lunggtv.evaluate.surface import (
    SurfaceDistances,
    hausdorff_mm,
    mean_distance_mm,
    pooled_percentile_mm,
    surface_dice,
    surface_distances,
    surface_of,
)
from lunggtv.geometry import Triple, voxel_volume_ml


def score_masks(
    label: np.ndarray, prediction: np.ndarray, spacing_mm: Triple, settings: EvaluateSettings
) -> dict[str, Any]:
    """Every metric of docs/metrics.md for two masks on one grid.

    Args:
        label, prediction: uint8 (z, y, x) in LPS order, 0 and 1.
        spacing_mm: voxel spacing z, y, x.
        settings: tolerances and the lesion rule.

    Returns:
        Plain numbers, never NaN; None for signed errors that have no meaning beside an empty mask.

    Raises:
        ValueError: shapes or types differ from the above.
    """
    for name, mask in (("label", label), ("prediction", prediction)):
        if mask.dtype != np.uint8 or mask.ndim != 3 or mask.shape != label.shape:
            raise ValueError(f"{name} is {mask.dtype} {mask.shape}; needed is uint8 {label.shape}, z y x")
    diagonal_mm = metrics.diagonal_mm(label.shape, spacing_mm)
    # Every metric is computed around the masks, never on the whole volume; of empty ones a voxel is left.
    drawn = [box for box in (box_of(label), box_of(prediction)) if box is not None]
    box = joint_box(*drawn) if drawn else box_at((0, 0, 0), (1, 1, 1))
    label, prediction = label[box], prediction[box]
    overlap = metrics.overlap_of(label, prediction)
    outcome = outcome_of(overlap.label, overlap.prediction)
    record = {"outcome": outcome, "diagonal_mm": diagonal_mm}
    record |= _overlap_record(overlap, voxel_volume_ml(spacing_mm))
    record |= _contour_record(label, prediction, spacing_mm)
    record |= _lesion_record(label, prediction, spacing_mm, settings)
    if outcome == "scored":
        distances = surface_distances(
            surface_of(label, spacing_mm), surface_of(prediction, spacing_mm), spacing_mm
        )
        return record | _surface_record(distances, settings) | _position_record(label, prediction, spacing_mm)
    return record | _empty_record(outcome, diagonal_mm, settings)


def tolerance_key(tolerance_mm: float) -> str:
    """Name of the surface Dice at a tolerance: ``surface_dice_2mm``, ``surface_dice_2.5mm``."""
    return f"surface_dice_{tolerance_mm:g}mm"


def _overlap_record(overlap: metrics.Overlap, voxel_ml: float) -> dict[str, Any]:
    return {
        "dice": overlap.dice,
        "jaccard": overlap.jaccard,
        "sensitivity": overlap.sensitivity,
        "precision": overlap.precision,
        "label_ml": overlap.label * voxel_ml,
        "prediction_ml": overlap.prediction * voxel_ml,
        "volume_error_ml": (overlap.prediction - overlap.label) * voxel_ml,
        "volume_error_percent": metrics.volume_error_percent(overlap),
    }


def _surface_record(distances: SurfaceDistances, settings: EvaluateSettings) -> dict[str, Any]:
    shares = {tolerance_key(mm): surface_dice(distances, mm) for mm in sorted(settings.tolerances_mm)}
    return shares | {
        "hd95_mm": hausdorff_mm(distances, 95),
        "hd95_pooled_mm": pooled_percentile_mm(distances, 95),
        "hd_mm": hausdorff_mm(distances, 100),
        "assd_mm": mean_distance_mm(distances),
        "median_surface_distance_mm": pooled_percentile_mm(distances, 50),
    }


def _position_record(label: np.ndarray, prediction: np.ndarray, spacing_mm: Triple) -> dict[str, Any]:
    shift = metrics.centroid_mm(prediction, spacing_mm) - metrics.centroid_mm(label, spacing_mm)
    cranial, caudal = metrics.end_errors_slices(label, prediction)
    return {
        "centroid_shift_mm": float(np.linalg.norm(shift)),
        "centroid_shift_cranial_mm": float(shift[0]),
        "centroid_shift_posterior_mm": float(shift[1]),
        "centroid_shift_left_mm": float(shift[2]),
        "cranial_error_slices": cranial,
        "cranial_error_mm": cranial * spacing_mm[0],
        "caudal_error_slices": caudal,
        "caudal_error_mm": caudal * spacing_mm[0],
    }


def _empty_record(outcome: str, diagonal_mm: float, settings: EvaluateSettings) -> dict[str, Any]:
    """Surface and position metrics where a mask is empty: perfect or the worst there is, never missing."""
    share = 1.0 if outcome == "both_empty" else 0.0
    distance_mm = empty_distance_mm(outcome, diagonal_mm)
    distances = ("hd95_mm", "hd95_pooled_mm", "hd_mm", "assd_mm", "median_surface_distance_mm")
    signed = (
        "centroid_shift_cranial_mm",
        "centroid_shift_posterior_mm",
        "centroid_shift_left_mm",
        "cranial_error_slices",
        "cranial_error_mm",
        "caudal_error_slices",
        "caudal_error_mm",
    )
    record: dict[str, Any] = {tolerance_key(mm): share for mm in sorted(settings.tolerances_mm)}
    record |= dict.fromkeys((*distances, "centroid_shift_mm"), distance_mm)
    return record | dict.fromkeys(signed)


def _contour_record(label: np.ndarray, prediction: np.ndarray, spacing_mm: Triple) -> dict[str, Any]:
    """Added path length; a false alarm counts its own contour, all of which has to be erased."""
    path = added_path(label, prediction)
    contour, added, added_1px = path.contour, path.added, path.added_1px
    if contour == 0:
        contour = added = added_1px = int(np.count_nonzero(contour_pixels(prediction)))
    side_mm = pixel_mm(spacing_mm)
    return {
        "label_contour_mm": path.contour * side_mm,
        "added_path_length_mm": added * side_mm,
        "added_path_length_1px_mm": added_1px * side_mm,
        "added_path_share": added / contour if contour else 0.0,
        "added_path_share_1px": added_1px / contour if contour else 0.0,
    }


def _lesion_record(
    label: np.ndarray, prediction: np.ndarray, spacing_mm: Triple, settings: EvaluateSettings
) -> dict[str, Any]:
    match = match_lesions(label, prediction, spacing_mm, settings.lesion_overlap)
    return {
        "lesions_label": len(match.lesions),
        "lesions_found": match.found,
        "lesions_missed": len(match.lesions) - match.found,
        "lesions_false": len(match.false_ml),
        "lesions": [asdict(lesion) for lesion in match.lesions],
        "false_lesions_ml": list(match.false_ml),
    }
