"""Small caches and predictions on disk for the tests of inference."""

from pathlib import Path

import numpy as np
from lunggtv.geometry import Grid, lps_orientation
from lunggtv.infer.prediction_file import Prediction, quantised, write_prediction
from lunggtv.resampling import resample_ct, resample_mask, target_grid
from lunggtv.volume import Volume, write_volume

STRAIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SPACING_MM = (5.0, 2.0, 1.6)
ORIGINAL = Grid((12, 24, 30), (5.0, 1.5, 1.25), (-20.0, -30.0, 40.0), STRAIGHT)
BOX_START, BOX_SHAPE = (1, 2, 3), (10, 20, 24)


def write_cache(
    path: Path, patient: str, label: np.ndarray | None = None, original: Grid = ORIGINAL, **metadata: object
) -> Volume:
    """A cache of random HU at ``SPACING_MM``; ``label`` (z, y, x) lies on the scan's LPS grid."""
    orientation = lps_orientation(original)
    scan = orientation.apply_to_grid(original)
    cached = target_grid(scan.cropped(BOX_START, BOX_SHAPE), SPACING_MM, 0.0)
    ct = np.random.default_rng(1).integers(-1000, 400, scan.shape).astype(np.int16)
    content = {
        "box_shape": list(BOX_SHAPE),
        "box_start": list(BOX_START),
        "fallback": False,
        "ingested": scan.to_dict(),
        "labelled": label is not None,
        "orientation": orientation.to_dict(),
        "original": original.to_dict(),
        "slice_digests": [],
    }
    volume = Volume(
        patient,
        resample_ct(ct, scan, cached),
        cached,
        None if label is None else resample_mask(label, scan, cached),
        np.ones(cached.shape, np.uint8),
        content | metadata,
    )
    write_volume(path, "cache", volume)
    return volume


def write_predicted(path: Path, volume: Volume, *probabilities: np.ndarray) -> None:
    """A prediction with one model a probability (float, on the cache's grid)."""
    models = [
        {"fold": k, "name": f"fold{k}", "weights_sha256": f"{k:064d}"} for k in range(len(probabilities))
    ]
    passes = np.stack([quantised(np.asarray(p, np.float32)) for p in probabilities])
    write_prediction(path, Prediction(volume.patient, passes, volume.grid, models, volume.metadata, "c" * 64))
