"""Figures to files, the same bytes every time: no dates, no versions, no random ids, no fonts of the machine."""

from functools import cache
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from lunggtv.files import whole_file

# Okabe and Ito's colour-blind-safe palette; label and prediction look the same in every picture.
LABEL_COLOUR = "#E69F00"
PREDICTION_COLOUR = "#0072B2"
PICTURE_DPI = 100


def save_png(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG."""
    _use_own_fonts()
    FigureCanvasAgg(figure)
    with whole_file(path) as partial:
        figure.savefig(partial, format="png", dpi=PICTURE_DPI, metadata={"Software": None})


def save_svg(figure: Figure, path: str | Path) -> None:
    """Write a figure as SVG; text becomes outlines, so that it looks the same everywhere."""
    _use_own_fonts()
    FigureCanvasSVG(figure)
    with (
        matplotlib.rc_context({"svg.hashsalt": "lunggtv", "svg.fonttype": "path"}),
        whole_file(path) as partial,
    ):
        figure.savefig(partial, format="svg", metadata={"Date": None, "Creator": None})


@cache
def _use_own_fonts() -> None:
    """Leave Matplotlib the fonts that it brings along, in a fixed order.

    Its list of fonts is kept in the user's home. Another version of DejaVu Sans, installed on the machine,
    may stand in it before Matplotlib's own, or alone if the own ones could not be read when it was made.
    """
    fonts = font_manager.fontManager
    fonts.ttflist.clear()
    for path in sorted(Path(matplotlib.get_data_path(), "fonts", "ttf").glob("*.ttf")):
        fonts.addfont(path)
