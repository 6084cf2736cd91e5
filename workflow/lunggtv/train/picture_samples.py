"""A contact sheet of augmented patches: what the network was really shown."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

from lunggtv.figures import LABEL_COLOUR, save_png
from lunggtv.model.weights import load_card, load_tensors

COLUMNS = 6


def picture_samples(*, samples: str | Path, card: str | Path, picture: str | Path) -> None:
    """Write a sheet (PNG) of patches as the network saw them, GTV outlined.

    Args:
        samples: of a fold's training, see ``shown_samples``.
        card: of its model.
        picture: the file to write.

    Raises:
        DamagedFile: a file is not whole.
    """
    content = load_card(card)
    _, height_mm, width_mm = content["spacing_mm"]
    draw_contact_sheet(load_tensors(samples), content["train_patients"], height_mm / width_mm, picture)


def draw_contact_sheet(
    samples: Mapping[str, Tensor], patients: Sequence[str], aspect: float, path: str | Path
) -> None:
    """The samples in their order; ``aspect`` is the height of a pixel by its width."""
    rows = -(-len(samples["plane"]) // COLUMNS)
    figure = Figure(figsize=(2.2 * COLUMNS, 2.4 * rows), dpi=100, layout="tight")
    for index, plane in enumerate(samples["plane"].tolist()):
        axes = figure.add_subplot(rows, COLUMNS, index + 1)
        ct_hu, label = (samples[name][index].numpy() for name in ("ct_hu", "label"))
        axes.imshow(ct_hu, cmap="gray", vmin=-1000, vmax=300, aspect=aspect, interpolation="nearest")
        if label.any():
            axes.contour(label, levels=[0.5], colors=[LABEL_COLOUR], linewidths=0.8)
        axes.set_title(f"patient {patients[int(samples['patient'][index])]}, slice {plane}", fontsize=8)
        axes.set_axis_off()
    figure.suptitle("Patches as the network saw them; label outlined; window -1000 to 300 HU", fontsize=10)
    save_png(figure, path)
