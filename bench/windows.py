"""Which windows a prediction needs: out-of-fold Dice and windows of a trained cohort, window by window.

    OMP_NUM_THREADS=1 python bench/windows.py demo/results > bench/results/windows.md

Each labelled patient is predicted by the model that never saw it, unmirrored, with windows as large as the training's
patches; thicker, wider or both, by up to a third or a half, where that makes fewer of them; and with less and more
overlap. The Dice is that of the cache's grid at a threshold of 0.5.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from lunggtv.geometry import Shape, three_of
from lunggtv.masks import dice
from lunggtv.model import sliding_window
from lunggtv.model.numerics import numerics
from lunggtv.model.sliding_window import predict_probability, window_starts, window_thickness
from lunggtv.model.weights import Model, load_model
from lunggtv.volume import Volume, read_volume
from machine import machine


@dataclass(frozen=True)
class Way:
    """A way to lay windows: how much longer they may be along the axes z, y, x, and how much they overlap."""

    name: str
    longer: tuple[float, float, float] = (1.0, 1.0, 1.0)
    overlap: float = 0.5


WAYS = (
    Way("as the patches"),
    Way("thicker by up to a third", (4 / 3, 1.0, 1.0)),
    Way("longer within the slices by up to a third", (1.0, 4 / 3, 4 / 3)),
    Way("longer in all directions by up to a third", (4 / 3, 4 / 3, 4 / 3)),
    Way("longer in all directions by up to a half", (1.5, 1.5, 1.5)),
    Way("as the patches, overlapping by a quarter", overlap=0.25),
    Way("as the patches, overlapping by 0.7", overlap=0.7),
)


def edge(length: int, patch: int, divisor: int, longer: float) -> int:
    """The edge of a window along any axis, chosen as its thickness is across the slices."""
    sliding_window.STRETCH = longer
    return window_thickness(length, patch, divisor)


def predicted(model: Model, volume: Volume, way: Way) -> tuple[float, int]:
    """Dice of a patient, and the number of windows."""
    plan = model.architecture
    sliding_window.OVERLAP = way.overlap
    window: Shape = three_of(map(edge, volume.ct.shape, plan.patch_shape, plan.divisor, way.longer))
    sliding_window.STRETCH = 1.0  # the windows are chosen
    starts = (window_starts(n, size) for n, size in zip(volume.ct.shape, window, strict=True))
    found = predict_probability(
        model.network,
        model.normalisation.apply(torch.from_numpy(volume.ct)),
        patch_shape=window,
        divisor=plan.divisor[0],
        air=model.normalisation.air,
    )
    return dice(found.numpy() >= 0.5, volume.label > 0), len(list(product(*starts)))


def patients(results: Path) -> Iterator[tuple[Model, Volume]]:
    """Every labelled patient with the model of the fold that held it out."""
    for folder in sorted((results / "train").glob("fold*")):
        model = load_model(folder / "weights.safetensors", folder / "model.json")
        for patient in model.card["held_out_patients"]:
            yield model, read_volume(results / "cache" / patient / "volume.h5", "cache")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", type=Path, help="results of a run that trained")
    options = parser.parse_args()
    with numerics(deterministic=True, threads=torch.get_num_threads()):
        rows = np.array(
            [[predicted(model, volume, way) for way in WAYS] for model, volume in patients(options.results)]
        )
    scores, windows = rows[..., 0], rows[..., 1]
    print("# Windows of the prediction\n")
    print("`OMP_NUM_THREADS=1 python bench/windows.py demo/results > bench/results/windows.md`\n")
    print(f"{len(rows)} patients of `make demo`, out of fold; {machine()}, torch {torch.__version__}.\n")
    print("|windows|how many a patient|mean Dice|difference, with its standard error|worst of a patient|")
    print("|---|---|---|---|---|")
    for way, own, count in zip(WAYS, scores.T, windows.T, strict=True):
        apart = own - scores[:, 0]
        error = apart.std(ddof=1) / np.sqrt(len(apart))
        print(
            f"|{way.name}|{count.mean():.1f}|{own.mean():.3f}|{apart.mean():+.3f} ± {error:.3f}|{apart.min():+.3f}|"
        )


if __name__ == "__main__":
    main()
