"""A contact sheet of augmented patches: what the network is really shown."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from lunggtv.figures import LABEL_COLOUR, save_png
from lunggtv.model.architecture import Architecture
from lunggtv.model.normalisation import Normalisation
from lunggtv.model.weights import load_card
from lunggtv.train.batches import Sampler, make_batch, patients_of
from lunggtv.train.cases import load_cases
from lunggtv.train.train_settings import TrainSettings

COLUMNS, ROWS = 6, 3


def picture_samples(
    *, fold: int, caches: Mapping[str, str], card: str | Path, settings: TrainSettings, picture: str | Path
) -> None:
    """Write a sheet (PNG) of patches as the network saw them.

    Args:
        fold: number of the fold.
        caches: training patient -> cache volume.
        card: of the fold's model.
        settings: that it was trained with.
        picture: the file to write.
    """
    content = load_card(card)
    sampler = Sampler(
        load_cases(caches, "files", torch.device("cpu")), settings.seed, fold,
        Architecture.from_dict(content["architecture"]).patch_shape, settings.foreground_share,
        settings.augmentation, Normalisation.from_dict(content["normalisation"]),
    )  # fmt: skip
    draw_contact_sheet(sampler, picture)


def draw_contact_sheet(sampler: Sampler, path: str | Path) -> None:
    """The first samples of the fold, each at the slice with most GTV (else the middle), GTV outlined."""
    figure = Figure(figsize=(2.2 * COLUMNS, 2.4 * ROWS), dpi=100, layout="tight")
    normalisation = sampler.normalisation
    aspect = sampler.cases[0].spacing_mm[1] / sampler.cases[0].spacing_mm[2]
    for index in range(COLUMNS * ROWS):
        ct, label = make_batch(sampler, range(index, index + 1))
        ct_hu = (ct[0, 0] * normalisation.std_hu + normalisation.mean_hu).cpu().numpy()
        mask = label[0, 0].cpu().numpy()
        area = mask.sum(axis=(1, 2))
        z = int(np.argmax(area)) if area.any() else mask.shape[0] // 2
        axes = figure.add_subplot(ROWS, COLUMNS, index + 1)
        axes.imshow(ct_hu[z], cmap="gray", vmin=-1000, vmax=300, aspect=aspect, interpolation="nearest")
        if mask[z].any():
            axes.contour(mask[z], levels=[0.5], colors=[LABEL_COLOUR], linewidths=0.8)
        axes.set_title(f"patient {patients_of(sampler, range(index, index + 1))[0]}, slice {z}", fontsize=8)
        axes.set_axis_off()
    figure.suptitle("Patches as the network saw them; label outlined; window -1000 to 300 HU", fontsize=10)
    save_png(figure, path)
