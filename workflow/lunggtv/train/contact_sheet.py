"""A contact sheet of augmented patches: what the network is really shown."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lunggtv.figures import LABEL_COLOUR, save_png
from lunggtv.train.batches import Sampler, make_batch, patients_of

COLUMNS, ROWS = 6, 3


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
