"""Caches of boxes that cost a network what a patient's do; what is in them decides no time."""

from pathlib import Path

import numpy as np
from lunggtv.geometry import Grid
from lunggtv.volume import Volume, write_volume

AIR_HU, LUNG_HU, TISSUE_HU = -1000, -800, 40
NOISE_HU = 30.0
RADIUS_SHARE = 0.12  # of the tumour, of the shortest axis


def make_boxes(
    folder: Path, count: int, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> list[str]:
    """Write ``count`` cache volumes of ``shape``: lung with noise, a wall of tissue, a ball as the GTV."""
    folder.mkdir(parents=True, exist_ok=True)
    identity = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    paths = []
    for number in range(count):
        generator = np.random.default_rng(number)
        ct_hu = generator.normal(LUNG_HU, NOISE_HU, shape)
        wall = [max(1, n // 10) for n in shape[1:]]
        ct_hu[:, : wall[0]] += TISSUE_HU - LUNG_HU
        ct_hu[:, :, : wall[1]] += AIR_HU - LUNG_HU
        centre = [generator.uniform(0.3, 0.7) * n for n in shape]
        distances = [
            (np.arange(n) - c) / max(1.0, RADIUS_SHARE * n) for n, c in zip(shape, centre, strict=True)
        ]
        ball = sum(np.ix_(*(d**2 for d in distances))) <= 1.0
        ct_hu[ball] += TISSUE_HU - LUNG_HU
        grid = Grid(shape, spacing_mm, (0.0, 0.0, 0.0), identity)
        ct = np.clip(ct_hu, -1024, 3071).astype(np.int16)
        path = folder / f"box{number}.h5"
        write_volume(path, "cache", Volume(f"box{number}", ct, grid, ball.astype(np.uint8)))
        paths.append(str(path))
    return paths
