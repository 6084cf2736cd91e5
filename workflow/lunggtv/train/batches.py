"""From sample numbers to a batch: draw, cut, move, change, normalise. Nothing is remembered in between."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lunggtv.geometry import Shape
from lunggtv.model.normalisation import Normalisation
from lunggtv.train.augmentation import change_intensity, draw_augmentation, plan_reach, sample_patches
from lunggtv.train.cases import Case, cut_window
from lunggtv.train.sampling import AUGMENTATION, draw_case, draw_window, stream
from lunggtv.train.train_settings import AugmentationSettings


@dataclass(frozen=True)
class Sampler:
    """Everything a sample depends on besides its number."""

    cases: list[Case]
    seed: int
    fold: int
    patch_shape: Shape
    foreground_share: float
    augmentation: AugmentationSettings
    normalisation: Normalisation


def make_batch(sampler: Sampler, indices: range) -> tuple[Tensor, Tensor]:
    """Samples ``indices``: CT (B, 1, Z, Y, X) normalised float32 and label, float32 of 0 and 1."""
    shapes = [case.shape for case in sampler.cases]
    foregrounds = [case.foreground for case in sampler.cases]
    changes, reaches, regions, spacings_mm = [], [], [], []
    for index in indices:
        window = draw_window(
            sampler.seed, sampler.fold, index, shapes, foregrounds,
            sampler.patch_shape, sampler.foreground_share,
        )  # fmt: skip
        case = sampler.cases[window.case]
        generator = stream(sampler.seed, sampler.fold, AUGMENTATION, index)
        extent = [n * s for n, s in zip(sampler.patch_shape, case.spacing_mm, strict=True)]
        change = draw_augmentation(generator, sampler.augmentation, (extent[0], extent[1], extent[2]))
        reach = plan_reach(change, window.centre, sampler.patch_shape, case.spacing_mm)
        changes.append(change)
        reaches.append(reach)
        regions.append(cut_window(case, reach.start, reach.shape))
        spacings_mm.append(case.spacing_mm)
    with torch.no_grad():
        ct_hu, label = sample_patches(regions, reaches, sampler.patch_shape)
        ct = change_intensity(ct_hu, changes, spacings_mm, sampler.normalisation)
    return ct, label


def patients_of(sampler: Sampler, indices: range) -> list[str]:
    """Names of the patients that samples ``indices`` show, each once, in their order."""
    count = len(sampler.cases)
    shown = [sampler.cases[draw_case(sampler.seed, sampler.fold, i, count)].patient for i in indices]
    return list(dict.fromkeys(shown))
