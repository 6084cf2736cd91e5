"""The picture of one patient: label and prediction on the CT, where it is largest and where it is worst.

Two rows (the slice with the largest tumour, the slice with the largest disagreement apart from it), four
columns: axial in a lung and in a mediastinal window, coronal and sagittal through the row's centre. Axial
and coronal planes are seen as radiologists see them: the patient's left is on the right. A draft without a label
has a row for each of its largest parts instead.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from lunggtv.boxes import box_of, size_of
from lunggtv.figures import LABEL_COLOUR, PREDICTION_COLOUR
from lunggtv.geometry import Triple, voxel_volume_ml
from lunggtv.mask_parts import label_parts

# Window centre and width in HU, the usual presets.
LUNG_WINDOW = (-600, 1500)
MEDIASTINAL_WINDOW = (40, 400)
SURROUNDING_MM = 30.0
VIEW_RANGE_MM = (100.0, 240.0)
SCALE_BAR_MM = 20.0
# The label is a light line with a dark edge, the draft a dark one with a light edge: they differ on a grey printer.
EDGES = {LABEL_COLOUR: "black", PREDICTION_COLOUR: "white"}
TEXT_BOX = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 1.5}
MOST_PARTS = 3  # rows of a draft without a label
# Inches.
WIDTH, TITLE_HEIGHT, ROW_HEIGHT, PLANE_HEIGHT = 14.0, 0.474, 3.713, 3.318


# A heading, and the voxel (z, y, x) that the planes go through.
Row = tuple[str, tuple[int, int, int]]


@dataclass(frozen=True)
class Plane:
    """How an axis-aligned plane is shown: the axis across it, its two axes, the letters at its sides."""

    name: str
    across: int
    vertical: int
    horizontal: int
    upwards: bool
    letters: tuple[str, str, str, str]  # left, right, top, bottom


AXIAL = Plane("axial", 0, 1, 2, False, ("R", "L", "A", "P"))
CORONAL = Plane("coronal", 1, 0, 2, True, ("R", "L", "H", "F"))
SAGITTAL = Plane("sagittal", 2, 0, 1, True, ("A", "P", "H", "F"))
COLUMNS = (
    (AXIAL, "lung", LUNG_WINDOW),
    (AXIAL, "mediastinum", MEDIASTINAL_WINDOW),
    (CORONAL, "lung", LUNG_WINDOW),
    (SAGITTAL, "lung", LUNG_WINDOW),
)


def draw_overlay(
    ct: np.ndarray, label: np.ndarray, prediction: np.ndarray, spacing_mm: Triple, title: str
) -> Figure:
    """The picture of one patient; arrays (z, y, x) in LPS order, either mask may be empty."""
    return _draw((ct, label, prediction), spacing_mm, title, _rows(label, prediction, spacing_mm), _legend())


def draw_draft(ct: np.ndarray, draft: np.ndarray, spacing_mm: Triple, title: str) -> Figure:
    """The picture of a draft that no label is known for; arrays (z, y, x) in LPS order, it may be empty."""
    rows = _part_rows(draft, spacing_mm)
    return _draw((ct, np.zeros_like(draft), draft), spacing_mm, title, rows, _legend()[1:])


def _draw(
    arrays: tuple[np.ndarray, np.ndarray, np.ndarray],
    spacing_mm: Triple,
    title: str,
    rows: list[Row],
    legend: list[Line2D],
) -> Figure:
    height = TITLE_HEIGHT + ROW_HEIGHT * len(rows)
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    figure.text(0.012, 1 - 0.2 / height, title, fontsize=13, weight="bold", va="top")
    figure.legend(handles=legend, loc="upper right", ncols=2, frameon=False, fontsize=11, handlelength=3.2)
    view_mm = _view_mm(*arrays[1:], spacing_mm)
    for row, (heading, centre) in enumerate(rows):
        bottom = 0.158 + ROW_HEIGHT * (len(rows) - 1 - row)
        figure.text(0.012, (bottom + PLANE_HEIGHT + 0.134) / height, heading, fontsize=10.5, va="center")
        for column, (plane, window_name, window_hu) in enumerate(COLUMNS):
            left = 0.012 + 0.247 * column
            axes = figure.add_axes((left, bottom / height, 0.238, PLANE_HEIGHT / height))
            _draw_plane(axes, plane, arrays, centre, spacing_mm, view_mm, window_hu)
            window = f"{window_name} (centre {window_hu[0]}, width {window_hu[1]} HU)"
            _annotate(axes, plane, f"{plane.name}, {window}", view_mm)
    return figure


def chosen_slices(label: np.ndarray, prediction: np.ndarray) -> tuple[int, int]:
    """Slice with the largest label (without one: prediction), and the most wrong slice apart from it."""
    tumour = label if label.any() else prediction
    largest = int(tumour.sum(axis=(1, 2), dtype=np.int64).argmax())
    wrong = (label != prediction).sum(axis=(1, 2), dtype=np.int64)
    wrong[largest] = -1
    return largest, int(wrong.argmax())


def _rows(label: np.ndarray, prediction: np.ndarray, spacing_mm: Triple) -> list[Row]:
    pixel_cm2 = spacing_mm[1] * spacing_mm[2] / 100.0
    rows = []
    for name, z in zip(("Largest slice", "Worst other slice"), chosen_slices(label, prediction), strict=True):
        wrong = label[z] != prediction[z]
        drawn = (label[z] | prediction[z]) > 0
        # The largest slice is centred on the tumour, the worst on what is wrong there.
        shown = drawn if name == "Largest slice" or not wrong.any() else wrong
        y, x = _middle(shown)
        heading = (
            f"{name}: {z + 1} of {label.shape[0]} from the feet up; "
            f"label {label[z].sum(dtype=np.int64) * pixel_cm2:.1f} cm², "
            f"draft {prediction[z].sum(dtype=np.int64) * pixel_cm2:.1f} cm², "
            f"differing {np.count_nonzero(wrong) * pixel_cm2:.1f} cm²"
        )
        rows.append((heading, (z, y, x)))
    return rows


def _part_rows(draft: np.ndarray, spacing_mm: Triple) -> list[Row]:
    """The largest parts of a draft, each at its largest slice; the scan's middle if nothing is drawn."""
    parts, count = label_parts(draft, corners=True)
    if not count:
        return [("Nothing is drawn; the middle of the scan", tuple(n // 2 for n in draft.shape))]
    volumes_vox = np.bincount(parts.reshape(-1))[1:]
    rows = []
    for place, index in enumerate(np.argsort(-volumes_vox, kind="stable")[:MOST_PARTS], start=1):
        part = parts == index + 1
        z = int(part.sum(axis=(1, 2)).argmax())
        volume_ml = volumes_vox[index] * voxel_volume_ml(spacing_mm)
        heading = (
            f"Part {place} of {count}, {volume_ml:.1f} ml: slice {z + 1} of {len(draft)} from the feet up"
        )
        rows.append((heading, (z, *_middle(part[z]))))
    return rows


def _middle(mask: np.ndarray) -> tuple[int, int]:
    """Middle of a 2D mask; of the plane if it is empty."""
    if not mask.any():
        return mask.shape[0] // 2, mask.shape[1] // 2
    y, x = np.nonzero(mask)
    return round(float(y.mean())), round(float(x.mean()))


def _view_mm(label: np.ndarray, prediction: np.ndarray, spacing_mm: Triple) -> float:
    """Side of the square shown in every panel: the masks and their surroundings, within limits."""
    box = box_of(label | prediction)
    if box is None:
        return VIEW_RANGE_MM[1]
    extent_mm = max(np.multiply(size_of(box), spacing_mm))
    return float(np.clip(extent_mm + 2 * SURROUNDING_MM, *VIEW_RANGE_MM))


def _draw_plane(
    axes: Axes,
    plane: Plane,
    arrays: tuple[np.ndarray, np.ndarray, np.ndarray],
    centre: tuple[int, int, int],
    spacing_mm: Triple,
    view_mm: float,
    window_hu: tuple[int, int],
) -> None:
    ct, label, prediction = (array.take(centre[plane.across], axis=plane.across) for array in arrays)
    step_v, step_h = spacing_mm[plane.vertical], spacing_mm[plane.horizontal]
    middle_v, middle_h = centre[plane.vertical] * step_v, centre[plane.horizontal] * step_h
    height, width = ct.shape
    # Voxel centres lie at index times spacing, so the picture begins half a voxel before the first.
    extent = (-step_h / 2, (width - 0.5) * step_h, (height - 0.5) * step_v, -step_v / 2)
    low, high = window_hu[0] - window_hu[1] / 2, window_hu[0] + window_hu[1] / 2
    axes.imshow(ct, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="nearest", aspect="auto")
    _outline(axes, label, step_v, step_h, LABEL_COLOUR, "solid")
    _outline(axes, prediction, step_v, step_h, PREDICTION_COLOUR, (0, (2.2, 1.2)))
    half = view_mm / 2
    vertical = (middle_v - half, middle_v + half) if plane.upwards else (middle_v + half, middle_v - half)
    axes.set(xlim=(middle_h - half, middle_h + half), ylim=vertical, xticks=[], yticks=[], facecolor="black")


def _outline(axes: Axes, mask: np.ndarray, step_v: float, step_h: float, colour: str, style: object) -> None:
    """The line half-way between the voxels inside and outside; closed at the image's border."""
    if not mask.any():
        return
    padded = np.pad(mask, 1)
    v_mm = (np.arange(padded.shape[0]) - 1) * step_v
    h_mm = (np.arange(padded.shape[1]) - 1) * step_h
    lines = axes.contour(
        h_mm, v_mm, padded, levels=[0.5], colors=[colour], linewidths=1.5, linestyles=[style]
    )
    lines.set_path_effects([withStroke(linewidth=2.8, foreground=EDGES[colour], alpha=0.7)])


def _annotate(axes: Axes, plane: Plane, text: str, view_mm: float) -> None:
    """Plane and window, the letters of the sides, and a scale bar."""
    style: dict[str, Any] = {"color": "white", "fontsize": 9, "transform": axes.transAxes, "bbox": TEXT_BOX}
    left, right, top, bottom = plane.letters
    axes.text(0.02, 0.98, text, ha="left", va="top", **style)
    axes.text(0.015, 0.5, left, ha="left", va="center", **style)
    axes.text(0.985, 0.5, right, ha="right", va="center", **style)
    axes.text(0.5, 0.915, top, ha="center", va="top", **style)
    axes.text(0.5, 0.015, bottom, ha="center", va="bottom", **style)
    length = SCALE_BAR_MM / view_mm
    bar = Line2D(
        [0.97 - length, 0.97], [0.04, 0.04], color="white", linewidth=3, transform=axes.transAxes,
        path_effects=[withStroke(linewidth=5, foreground="black")], solid_capstyle="butt",
    )  # fmt: skip
    axes.add_line(bar)
    axes.text(0.97 - length / 2, 0.055, f"{SCALE_BAR_MM:g} mm", ha="center", va="bottom", **style)


def _legend() -> list[Line2D]:
    return [
        Line2D([], [], color=LABEL_COLOUR, linewidth=2, label="label (physician)"),
        Line2D(
            [], [], color=PREDICTION_COLOUR, linewidth=2, linestyle=(0, (2.2, 1.2)), label="draft (model)"
        ),
    ]
