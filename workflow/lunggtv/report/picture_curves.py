"""The picture of a fold's training: loss, learning rate, Dice of the held-out patients."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lunggtv.figures import save_svg
from lunggtv.tables import read_tsv

LABEL_HEIGHT = 0.045  # of a patient's name, in units of the Dice axis


def picture_curves(*, fold: int, history: str | Path, validation: str | Path, picture: str | Path) -> None:
    """Write the curves of a fold (SVG) from its two tables."""
    draw_curves(fold, read_tsv(history), read_tsv(validation), picture)


def draw_curves(
    fold: int,
    history: Sequence[dict[str, str]],
    validation: Sequence[dict[str, str]],
    path: str | Path,
) -> None:
    """Write the curves as SVG; same tables, same bytes.

    Args:
        fold: for the title.
        history: rows with ``step``, ``loss``, ``dice_loss``, ``cross_entropy``, ``learning_rate``.
        validation: rows with ``step``, ``patient``, ``dice``.
        path: of the SVG.
    """
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_losses(left, history)
        _draw_dice(right, validation)
        figure.suptitle(f"Fold {fold}")
        save_svg(figure, path)


def _draw_losses(axes: Axes, history: Sequence[dict[str, str]]) -> None:
    steps = [int(float(row["step"])) for row in history]
    for column, name, colour, style in (
        ("loss", "total loss", "#222222", "solid"),
        ("dice_loss", "1 - Dice of the batch", "#0072b2", "dashed"),
        ("cross_entropy", "cross-entropy", "#d55e00", "dashdot"),
    ):
        values = [float(row[column]) for row in history]
        axes.plot(steps, values, label=name, color=colour, linestyle=style, linewidth=1.2)
    axes.set_xlabel("step")
    axes.set_ylabel("training loss")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    rate = axes.twinx()
    rate.plot(
        steps, [float(row["learning_rate"]) for row in history], label="learning rate", color="#888888",
        linestyle=":", linewidth=1.2,
    )  # fmt: skip
    rate.set_ylabel("learning rate")
    rate.set_ylim(bottom=0)
    lines = [*axes.get_lines(), *rate.get_lines()]
    names = [str(line.get_label()) for line in lines]
    axes.legend(
        lines, names, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False
    )


def _apart(heights: Sequence[float]) -> list[float]:
    """Places for labels at these heights, pushed upwards where they would overlap, then down from the top."""
    order = np.argsort(heights, kind="stable")
    places = np.array(heights, dtype=float)
    for below, above in pairwise(order):
        places[above] = max(places[above], places[below] + LABEL_HEIGHT)
    places[order[-1]] = min(places[order[-1]], 1.0 - LABEL_HEIGHT / 2)
    for above, below in pairwise(order[::-1]):
        places[below] = min(places[below], places[above] - LABEL_HEIGHT)
    return places.tolist()


def _draw_dice(axes: Axes, validation: Sequence[dict[str, str]]) -> None:
    patients = list(dict.fromkeys(row["patient"] for row in validation))
    curves = []
    for patient in patients:
        own = [row for row in validation if row["patient"] == patient]
        steps = [int(row["step"]) for row in own]
        dice = [float(row["dice"]) for row in own]
        axes.plot(steps, dice, color="#0072b2", alpha=0.45, linewidth=0.9, marker=".", markersize=4)
        curves.append(dice)
    if curves:
        axes.plot(steps, np.mean(curves, axis=0), color="#222222", linewidth=1.8, label="mean")
        axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
        heights = _apart([dice[-1] for dice in curves])
        for patient, dice, height in zip(patients, curves, heights, strict=True):
            place = (steps[-1] * 1.04, height)
            line = {"arrowstyle": "-", "color": "#0072b2", "alpha": 0.45, "linewidth": 0.6}
            axes.annotate(patient, (steps[-1], dice[-1]), place, fontsize=7, va="center", arrowprops=line)
    axes.set_xlabel("step")
    axes.set_ylabel("Dice of held-out patients")
    axes.set_ylim(0, 1)
    axes.margins(x=0.12)
    axes.grid(alpha=0.3)
