"""A package's own check: does this machine predict what the machine predicted that made the package?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lunggtv.geometry import Grid, Shape, Triple, three_of
from lunggtv.masks import to_percent
from lunggtv.model.prediction import predict_passes
from lunggtv.model.weights import Model
from lunggtv.resampling import resample_ct, resample_mask, target_grid


@dataclass(frozen=True)
class Case:
    """A synthetic CT (int16 HU) around a tumour, on the models' voxels."""

    ct: np.ndarray
    grid: Grid


def cut_case(ct: np.ndarray, label: np.ndarray, grid: Grid, spacing_mm: Triple, shape: Shape) -> Case:
    """The part of a labelled CT around its tumour, resampled; at most ``shape`` voxels, a model's patch."""
    cached = target_grid(grid, spacing_mm, 0.0)
    tumour = np.argwhere(resample_mask(label, grid, cached))
    centre = tumour.mean(axis=0) if len(tumour) else np.asarray(cached.shape) / 2
    size = [min(n, full) for n, full in zip(shape, cached.shape, strict=True)]
    start = [
        int(np.clip(round(float(c) - n / 2), 0, full - n))
        for c, n, full in zip(centre, size, cached.shape, strict=True)
    ]
    part = cached.cropped(three_of(start), three_of(size))
    return Case(resample_ct(ct, grid, part), part)


def predict_case(case: Case, models: Sequence[Model], mirror: bool, device: str) -> np.ndarray:
    """What the models say about a case, in percent (uint8). Not a mask: models that learnt from people may
    draw nothing of a synthetic tumour, and nothing would be equal on every machine."""
    passes = [p for model in models for p in predict_passes(model, case.ct, mirror, device)]
    return to_percent(np.asarray(np.mean(passes, axis=0, dtype=np.float32)))
