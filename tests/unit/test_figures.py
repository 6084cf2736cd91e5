"""Figures have the same bytes on every machine, whatever fonts it has."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from lunggtv.figures import save_png, save_svg
from matplotlib import font_manager, get_data_path
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
SAVERS = {".svg": save_svg, ".png": save_png}


def draw(path):
    figure = Figure(layout="constrained")
    axes = figure.add_subplot(title="GTV \N{MINUS SIGN}7 fl")
    axes.plot([-1, 1], [1e-3, 1e3])
    axes.set_yscale("log")
    SAVERS[path.suffix](figure, path)


@pytest.fixture
def foreign_fonts(tmp_path):
    """A list of fonts, as Matplotlib keeps it at home, where DejaVu Sans is another file."""
    mono = Path(get_data_path(), "fonts", "ttf", "DejaVuSansMono.ttf")
    fonts = font_manager.FontManager()
    fonts.ttflist = [replace(entry, fname=str(mono)) for entry in fonts.ttflist if "DejaVu" in entry.name]
    font_manager.json_dump(fonts, tmp_path / f"fontlist-v{fonts.__version__}.json")
    return tmp_path


@pytest.mark.parametrize("suffix", SAVERS)
def test_the_fonts_of_the_machine_change_nothing(suffix, foreign_fonts, tmp_path):
    here, there = tmp_path / f"here{suffix}", tmp_path / f"there{suffix}"
    draw(here)
    command = f"from tests.unit.test_figures import draw, Path; draw(Path({str(there)!r}))"
    environment = os.environ | {"MPLCONFIGDIR": str(foreign_fonts), "PYTHONPATH": str(ROOT / "workflow")}
    subprocess.run([sys.executable, "-c", command], cwd=ROOT, env=environment, check=True)
    assert there.read_bytes() == here.read_bytes()
