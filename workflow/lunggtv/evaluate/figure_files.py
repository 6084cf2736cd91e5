"""Figures to files, the same bytes every time: no dates, no versions, no random ids."""

from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from lunggtv.storage import whole_file

# Okabe and Ito's colour-blind-safe palette; label and prediction look the same in every picture.
LABEL_COLOUR = "#E69F00"
PREDICTION_COLOUR = "#0072B2"
PICTURE_DPI = 100


def save_png(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG."""
    FigureCanvasAgg(figure)
    with whole_file(path) as partial:
        figure.savefig(partial, format="png", dpi=PICTURE_DPI, metadata={"Software": None})


def save_svg(figure: Figure, path: str | Path) -> None:
    """Write a figure as SVG; text becomes outlines, so that it looks the same everywhere."""
    FigureCanvasSVG(figure)
    with (
        matplotlib.rc_context({"svg.hashsalt": "lunggtv", "svg.fonttype": "path"}),
        whole_file(path) as partial,
    ):
        figure.savefig(partial, format="svg", metadata={"Date": None, "Creator": None})
