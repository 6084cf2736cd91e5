"""The cohort in figures: Dice by volume, distributions, calibration, comparison.

Markers tell kinds apart as well as colours do, so that the figures survive a grey printer.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lunggtv.evaluate.outcomes import is_failure
from lunggtv.evaluate.summary import HUMAN_DICE, by_contact
from lunggtv.failed_dice import FAILED_DICE

Record = Mapping[str, Any]

BAND_COLOUR = "#BBBBBB"
WITHIN_COLOUR = "#0072B2"
CONTACT_COLOUR = "#D55E00"
FAILURE_COLOUR = "#000000"
# Smallest volume on the logarithmic axis; empty labels stand there too.
SMALLEST_ML = 0.1

# What is shown, its name, and its scale: a share from 0 to 1, or linear up to a value and logarithmic beyond.
SHARE = None
DISTRIBUTIONS = (
    ("dice", "Dice", SHARE),
    ("surface_dice_2mm", "surface Dice at 2 mm", SHARE),
    ("surface_dice_5mm", "surface Dice at 5 mm", SHARE),
    ("hd95_mm", "HD95 (mm)", 10.0),
    ("assd_mm", "mean surface distance (mm)", 10.0),
    ("added_path_share", "added path (share of contour)", SHARE),
    ("volume_error_percent", "volume error (%)", 100.0),
    ("centroid_shift_mm", "centroid shift (mm)", 10.0),
)
LINEAR_SHARE = 2.0
TICKS = {10.0: (0, 2, 5, 10, 20, 50, 100, 200, 500, 1000), 100.0: (0, 50, 100, 1000, 10000)}


def draw_dice_by_volume(records: Sequence[Record]) -> Figure:
    """Dice of every patient over the label's volume, with the band of human agreement; failures named."""
    figure = Figure(figsize=(8.0, 5.2), layout="constrained")
    axes = figure.add_subplot()
    _human_band(axes)
    markers = (("o", WITHIN_COLOUR), ("D", CONTACT_COLOUR), ("s", FAILURE_COLOUR))
    for (name, group), (marker, colour) in zip(by_contact(records).items(), markers, strict=False):
        if group:
            volumes, dices = [_volume_ml(r) for r in group], [r["dice"] for r in group]
            axes.plot(volumes, dices, marker, color=colour, markersize=6, label=f"{name} ({len(group)})")
    failed = [r for r in records if is_failure(r["outcome"], r["dice"])]
    if failed:
        axes.plot(
            [_volume_ml(r) for r in failed], [r["dice"] for r in failed], "x", color=FAILURE_COLOUR,
            markersize=11, markeredgewidth=1.6, label=f"failure ({len(failed)})",
        )  # fmt: skip
    for r in failed:
        text = (
            r["patient"] if r["outcome"] == "scored" else f"{r['patient']} {r['outcome'].replace('_', ' ')}"
        )
        axes.annotate(text, (_volume_ml(r), r["dice"]), (7, 5), textcoords="offset points", fontsize=9)
    axes.set(xscale="log", xlabel="volume of the label (ml)", ylabel="Dice", ylim=(-0.04, 1.02))
    axes.set_xlim(*_volume_limits(records))
    axes.xaxis.set_major_formatter("{x:g}")
    _grid(axes)
    axes.set_title("Dice against tumour volume, out of fold", fontsize=11)
    # Outside the axes: failures lie at the bottom, where a legend would hide them.
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


def draw_distributions(records: Sequence[Record]) -> Figure:
    """Every patient's value of the main metrics: points over a box of quartiles and median."""
    shown = [d for d in DISTRIBUTIONS if any(r.get(d[0]) is not None for r in records)]
    figure = Figure(figsize=(11.0, 6.4), layout="constrained")
    if not shown:
        _no_data(figure, "no patients were scored")
        return figure
    columns = 4
    rows = -(-len(shown) // columns)
    for number, (key, name, linear_to) in enumerate(shown):
        axes = figure.add_subplot(rows, columns, number + 1)
        chosen = [r for r in records if r.get(key) is not None]
        values = np.array([r[key] for r in chosen], dtype=float)
        axes.boxplot(
            values, positions=[0], widths=0.5, showfliers=False, whis=(5, 95),
            medianprops={"color": "black", "linewidth": 2}, boxprops={"color": "#555555"},
        )  # fmt: skip
        bad = np.array([is_failure(r["outcome"], r["dice"]) for r in chosen])
        aside = _spread(values)
        axes.plot(aside[~bad], values[~bad], "o", color=WITHIN_COLOUR, markersize=4, alpha=0.7)
        axes.plot(aside[bad], values[bad], "x", color=FAILURE_COLOUR, markersize=6)
        if linear_to is SHARE:
            axes.set_ylim(-0.03, 1.03)
        else:
            _stretch_small(axes, values, linear_to)
        axes.set(title=name, xticks=[], xlim=(-0.5, 0.5))
        axes.title.set_fontsize(10)
        axes.set_xlabel(f"median {np.median(values):.3g}, mean {values.mean():.3g}", fontsize=9)
        _grid(axes)
    figure.supxlabel(
        f"{len(records)} patients; box: quartiles and median, whiskers: 5 to 95 %; x: failure (missed, false "
        f"alarm, Dice below {FAILED_DICE:g})\nno draft: distance = image diagonal; axes in mm are logarithmic above "
        "10 mm, in % beyond 100 %",
        fontsize=9,
    )
    return figure


def draw_calibration(records: Sequence[Record], drafts: Sequence[Record]) -> Figure:
    """The Dice that a draft expected of itself against its true Dice; flagged drafts marked."""
    estimates = {d["patient"]: d for d in drafts if d["expected_dice"] is not None}
    pairs = [(r, estimates[r["patient"]]) for r in records if r["patient"] in estimates]
    figure = Figure(figsize=(5.8, 5.9), layout="constrained")
    if not pairs:
        _no_data(figure, "these drafts carry no estimate of their own quality")
        return figure
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#777777", linestyle="dashed", linewidth=1, label="perfect")
    for name, marker, colour, flagged in (
        ("no review flag", "o", WITHIN_COLOUR, False),
        ("flagged for review", "^", CONTACT_COLOUR, True),
    ):
        group = [(d["expected_dice"], r["dice"]) for r, d in pairs if bool(d["review"]) is flagged]
        if group:
            axes.plot(*zip(*group, strict=True), marker, color=colour, label=f"{name} ({len(group)})")
    axes.set(
        xlabel="expected Dice", ylabel="true Dice", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal"
    )
    _grid(axes)
    axes.set_title("What the drafts expected of themselves, and what they reached", fontsize=11)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


def draw_comparison(
    name: str, records: Sequence[Record], other_name: str, others: Sequence[Record]
) -> Figure:
    """Dice of the same patients in two sets: against each other, and their differences in order."""
    other_dice = {r["patient"]: r["dice"] for r in others}
    patients = [r["patient"] for r in records]
    first = np.array([r["dice"] for r in records])
    second = np.array([other_dice[patient] for patient in patients])
    figure = Figure(figsize=(11.0, 5.0), layout="constrained")
    if not patients:
        _no_data(figure, "no patients to compare")
        return figure
    both, ordered = figure.subplots(1, 2)
    figure.suptitle(f"Dice of {len(patients)} patients: {name} and {other_name}", fontsize=11)
    both.plot([0, 1], [0, 1], color="#777777", linestyle="dashed", linewidth=1)
    both.plot(second, first, "o", color=WITHIN_COLOUR, markersize=6, alpha=0.7)
    both.text(0.02, 0.98, f"{name} better", ha="left", va="top", fontsize=9, transform=both.transAxes)
    both.text(
        0.98, 0.02, f"{other_name} better", ha="right", va="bottom", fontsize=9, transform=both.transAxes
    )
    both.set(xlabel=f"Dice, {other_name}", ylabel=f"Dice, {name}", aspect="equal")
    both.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    difference = first - second
    order = np.argsort(-difference, kind="stable")
    colours = [WITHIN_COLOUR if difference[i] >= 0 else CONTACT_COLOUR for i in order]
    ordered.bar(np.arange(len(order)), difference[order], color=colours)
    ordered.axhline(0, color="black", linewidth=0.8)
    ordered.set_xticks(
        np.arange(len(order)), [patients[i] for i in order], rotation=90, fontsize=8 if len(order) < 60 else 5
    )
    ordered.set(ylabel=f"difference in Dice ({name} − {other_name})", xlabel="patient")
    _grid(both)
    _grid(ordered, "y")
    return figure


def _human_band(axes: Axes) -> None:
    low, high, mean = HUMAN_DICE["low"], HUMAN_DICE["high"], HUMAN_DICE["mean"]
    axes.axhspan(
        low, high, color=BAND_COLOUR, alpha=0.45, linewidth=0, label=f"between physicians {low}-{high}"
    )
    axes.axhline(mean, color="#777777", linestyle="dashed", linewidth=1)


def _volume_ml(record: Record) -> float:
    return max(record["label_ml"], SMALLEST_ML)


def _volume_limits(records: Sequence[Record]) -> tuple[float, float]:
    volumes = [_volume_ml(r) for r in records] or [1.0, 100.0]
    return min(*volumes, 1.0) * 0.7, max(*volumes, 100.0) * 1.5


def _spread(values: np.ndarray) -> np.ndarray:
    """Sideways places for points, so that neighbours in value stand apart; the same every time."""
    golden = 0.6180339887498949
    aside = np.empty(values.size)
    aside[np.argsort(values, kind="stable")] = np.arange(values.size) * golden % 1.0 - 0.5
    return aside * 0.4


def _stretch_small(axes: Axes, values: np.ndarray, linear_to: float) -> None:
    """Logarithmic beyond ``linear_to``: one missed tumour must not flatten everybody else."""
    axes.set_yscale("symlog", linthresh=linear_to, linscale=LINEAR_SHARE)
    reach = max(float(np.abs(values).max()), linear_to)
    ticks = [tick for tick in TICKS[linear_to] if tick <= reach]
    signed = values.min() < 0
    axes.set_ylim(-1.2 * reach if signed else -0.04 * linear_to, 1.2 * reach)
    axes.set_yticks([-tick for tick in ticks[:0:-1] if signed] + ticks)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")


def _grid(axes: Axes, lines: Literal["both", "y"] = "both") -> None:
    axes.grid(axis=lines, color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _no_data(figure: Figure, text: str) -> None:
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=12)
