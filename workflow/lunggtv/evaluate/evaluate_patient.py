"""Files in, a file out: one patient's scores."""

from pathlib import Path
from typing import Any

from lunggtv.errors import UnusableMask
from lunggtv.evaluate.chest_wall_contact import CONTACT_SHARE, contact_share
from lunggtv.evaluate.evaluate_settings import EvaluateSettings
from lunggtv.evaluate.score import score_masks
from lunggtv.evaluate.scored_mask import read_scored, zero_and_one
from lunggtv.files import write_json
from lunggtv.geometry import lps_orientation
from lunggtv.mask_files import read_mask, read_whole
from lunggtv.volume import Volume, read_volume


def evaluate_patient(
    *,
    volume_path: str | Path,
    prediction_path: str | Path,
    fold: int | None,
    settings: EvaluateSettings,
    json_path: str | Path,
) -> None:
    """Score a prediction against the patient's original label and write the record.

    Args:
        volume_path: volume of ingest, with label.
        prediction_path: mask of 0 and 1 on the patient's original grid, in any axis order.
        fold: the fold whose model drew it; None for a prediction of another origin.

    Raises:
        UnusableMask: the volume has no label, or the prediction lies on another grid or holds other values.
        UnreadableImage: the prediction is no whole image.
        DamagedFile, RejectedPatient: from reading the volume.
    """
    volume = read_volume(volume_path, "ingest")
    if volume.label is None:
        raise UnusableMask(f"{volume.patient}: {volume_path} has no label to score against.")
    prediction = read_scored(prediction_path, volume)
    record = score_masks(volume.label, prediction, volume.grid.spacing_mm, settings)
    share = contact_share(volume.ct, volume.label, volume.grid.spacing_mm)
    record |= {
        "patient": volume.patient,
        "fold": fold,
        "contact_share": share,
        "contact": None if share is None else share >= CONTACT_SHARE,
        "spacing_mm": list(volume.grid.spacing_mm),
        "shape": list(volume.grid.shape),
        "label_digest": _label_digest(volume),
    }
    write_json(json_path, record)


def score_files(
    prediction_path: str | Path, label_path: str | Path, settings: EvaluateSettings
) -> dict[str, Any]:
    """Score one mask file against another on the same voxels, stored in any axis order.

    Raises:
        UnusableMask: different grids, or other values than 0 and 1.
        UnreadableImage: a file is missing or no whole image.
    """
    label, grid = read_whole(label_path)
    prediction = zero_and_one(prediction_path, read_mask(prediction_path, grid, str(label_path)))
    turn = lps_orientation(grid)
    spacing_mm = turn.apply_to_grid(grid).spacing_mm
    return score_masks(
        turn.apply(zero_and_one(label_path, label)), turn.apply(prediction), spacing_mm, settings
    )


def _label_digest(volume: Volume) -> str | None:
    """SHA-256 of the file the label was read from: proof that the scored label is the original one."""
    digests = volume.metadata.get("digests", {})
    return next((digests[kind] for kind in ("label", "rtstruct", "segmentation") if kind in digests), None)
