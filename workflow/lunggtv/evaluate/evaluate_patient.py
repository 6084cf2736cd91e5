"""Files in, a file out: one patient's scores."""

from pathlib import Path
from typing import Any

import numpy as np

from lunggtv.errors import UnusableMask
from lunggtv.evaluate.chest_wall_contact import CONTACT_SHARE, contact_share
from lunggtv.evaluate.evaluate_settings import EvaluateSettings
from lunggtv.evaluate.score import score_masks
from lunggtv.files import write_json
from lunggtv.geometry import Grid, Orientation, lps_orientation
from lunggtv.image_files import read_image
from lunggtv.volume import Volume, read_volume
from lunggtv.wording import by

# Two grids are one if no corner lies farther apart: NIfTI stores positions as float32, and some tools as
# rounded quaternions; a tenth of a millimetre is a tenth of the smallest voxel.
GRID_TOLERANCE_MM = 0.1


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
        prediction_path: mask of 0 and 1 on the patient's original grid.
        fold: the fold whose model drew it; None for a prediction of another origin.

    Raises:
        UnusableMask: the volume has no label, or the prediction lies on another grid or holds other values.
        UnreadableImage: the prediction is no whole image.
        DamagedFile, RejectedPatient: from reading the volume.
    """
    volume = read_volume(volume_path, "ingest")
    if volume.label is None:
        raise UnusableMask(f"{volume.patient}: {volume_path} has no label to score against.")
    prediction = _read_prediction(prediction_path, volume)
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
    """Score one mask file against another on the same grid.

    Raises:
        UnusableMask: different grids, or other values than 0 and 1.
        UnreadableImage: a file is missing or no whole image.
    """
    label, label_grid = _read_mask(label_path)
    prediction, grid = _read_mask(prediction_path)
    _check_grid(prediction_path, grid, label_grid, str(label_path))
    turn = lps_orientation(label_grid)
    spacing_mm = turn.apply_to_grid(label_grid).spacing_mm
    return score_masks(turn.apply(label), turn.apply(prediction), spacing_mm, settings)


def _read_prediction(path: str | Path, volume: Volume) -> np.ndarray:
    mask, grid = _read_mask(path)
    original = Grid.from_dict(volume.metadata["original"])
    _check_grid(path, grid, original, f"the CT of patient {volume.patient}")
    return Orientation.from_dict(volume.metadata["orientation"]).apply(mask)


def _read_mask(path: str | Path) -> tuple[np.ndarray, Grid]:
    array, grid = read_image(path)
    inside = array == 1
    # NaN equals nothing, so it is found here too.
    if not np.all(inside | (array == 0)):
        found = ", ".join(f"{value:g}" for value in np.unique(array)[:10])
        raise UnusableMask(f"{path}: holds the values {found}; write the mask with 0 and 1 only.")
    return inside.view(np.uint8), grid


def _check_grid(path: str | Path, grid: Grid, expected: Grid, owner: str) -> None:
    if grid.shape != expected.shape:
        raise UnusableMask(
            f"{path}: has {by(grid.shape)} voxels (z, y, x), {owner} has {by(expected.shape)}. "
            "Write the mask on the original grid of the CT."
        )
    offset_mm = grid.offset_mm(expected)
    if offset_mm > GRID_TOLERANCE_MM:
        raise UnusableMask(
            f"{path}: lies up to {offset_mm:.2f} mm away from {owner} (spacing {grid.spacing_mm} mm against "
            f"{expected.spacing_mm} mm, origin {grid.origin_mm} against {expected.origin_mm}). "
            "Write the mask on the original grid of the CT."
        )


def _label_digest(volume: Volume) -> str | None:
    """SHA-256 of the file the label was read from: proof that the scored label is the original one."""
    digests = volume.metadata.get("digests", {})
    return digests.get("label", digests.get("rtstruct"))
