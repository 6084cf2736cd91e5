"""Lung tissue, and the planted diseases that change a whole lung."""

import numpy as np
from lunggtv.geometry import three_of
from scipy import ndimage

from lungphantom import tissue_hu
from lungphantom.canvas import Box, Canvas, Distance, stream
from lungphantom.chest import LEFT, RIGHT, Chest, struck_side
from lungphantom.plan import PhantomPlan
from lungphantom.shapes import common, joined, paint_ellipsoid

# Grain of the lung tissue (vessels and airways too small to be drawn).
_GRAIN_MM, _GRAIN_HU = 4.0, 22.0
_GRANULOMA_SHARE = 0.3


def paint_lungs(canvas: Canvas, chest: Chest, plan: PhantomPlan) -> np.ndarray:
    """Paint both lungs; returns the uint8 truth: lung tissue, also consolidated, not collapsed, no fluid."""
    truth = np.zeros(canvas.hu.shape, np.uint8)
    rng = stream(plan.seed, "lungs")
    base_hu, slope_hu = rng.uniform(-860.0, -800.0), rng.uniform(0.2, 0.5)
    for side in (RIGHT, LEFT):
        box = _box(canvas, chest, side)
        lung = _lung(chest, side)
        canvas.paint(box, lung, _tissue(canvas, box, base_hu, slope_hu, stream(plan.seed, f"tissue {side}")))
        truth[box] |= lung(*canvas.coordinates(box)) < 0
        if side == struck_side(plan):
            _paint_consolidation(canvas, chest, box, side, plan)
            for lost, hu in _lost(chest, side, plan):
                canvas.paint(box, lost, hu)
                truth[box] &= lost(*canvas.coordinates(box)) >= 0
    if rng.random() < _GRANULOMA_SHARE:
        _paint_granuloma(canvas, chest, rng)
    return truth


def _lung(chest: Chest, side: int) -> Distance:
    return lambda z, y, x: chest.lung(z, y, x, side)


def _box(canvas: Canvas, chest: Chest, side: int) -> Box:
    inner, outer = sorted((-14.0 * side, side * (chest.half_width + 2.0)))
    deep = chest.half_depth + 2.0
    return canvas.box((chest.floor(side) - 6.0, -deep, inner), (chest.height * 1.04, deep, outer))


def _tissue(
    canvas: Canvas, box: Box, base_hu: float, slope_hu: float, rng: np.random.Generator
) -> np.ndarray:
    """HU of lung tissue in a box: denser towards the back by ``slope_hu`` a mm, with a smooth grain."""
    shape = tuple(part.stop - part.start for part in box)
    if 0 in shape:
        return np.zeros(shape, np.float32)
    slices, *in_plane = shape
    coarse = (slices, *(max(2, round(n * canvas.spacing_mm[2] / _GRAIN_MM)) for n in in_plane))
    grain = ndimage.gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), (0.6, 0.8, 0.8))
    grain *= np.float32(_GRAIN_HU / grain.std())
    fine = ndimage.zoom(grain, [n / c for n, c in zip(shape, coarse, strict=True)], order=1)
    _, y, _ = canvas.coordinates(box)
    return fine + np.float32(base_hu) + np.float32(slope_hu) * y


def _paint_consolidation(canvas: Canvas, chest: Chest, box: Box, side: int, plan: PhantomPlan) -> None:
    """A dense lower lobe below an oblique fissure."""
    if "consolidation" not in plan.variants:
        return
    lung, top = _lung(chest, side), np.float32(chest.floor(side) + 0.45 * chest.height)

    def lobe(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return common(lung(z, y, x) - np.float32(1.0), z - top - np.float32(0.3) * y)

    canvas.paint(box, lobe, tissue_hu.CONSOLIDATION)


def _lost(chest: Chest, side: int, plan: PhantomPlan) -> list[tuple[Distance, float]]:
    """Planted diseases that leave no air: solids and their HU."""
    lung = _lung(chest, side)

    def whole(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return lung(z, y, x) - np.float32(1.0)

    def fluid(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        # It lies at the back and climbs the wall as a sickle.
        climb = np.float32(0.3) * (z - np.float32(0.5 * chest.height))
        sickle = climb - np.float32(9.0) - chest.cage(z, y, x)
        return common(whole(z, y, x), joined(np.float32(0.30 * chest.half_depth) - y, sickle, blend_mm=8.0))

    planted = (
        ("missing_lung", whole, tissue_hu.FLUID),
        ("collapsed_lung", whole, tissue_hu.COLLAPSED_LUNG),
        ("effusion", fluid, tissue_hu.FLUID),
    )
    return [(solid, hu) for variant, solid, hu in planted if variant in plan.variants]


def _paint_granuloma(canvas: Canvas, chest: Chest, rng: np.random.Generator) -> None:
    """A small calcified scar, which is no tumour, where one of a few places lies within the lung."""
    side = RIGHT if rng.random() < 0.5 else LEFT
    for share in rng.uniform(0.25, 0.75, (8, 3)):
        place = (
            share[0] * chest.height,
            (1.6 * share[1] - 0.8) * chest.half_depth,
            side * share[2] * chest.half_width,
        )
        if float(chest.lung(*three_of(np.asarray(place, "f4")), side=side)) < -10.0:
            paint_ellipsoid(canvas, place, tuple(rng.uniform(2.0, 3.5, 3)), tissue_hu.GRANULOMA)
            return
