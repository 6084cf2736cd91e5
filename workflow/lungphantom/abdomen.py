"""The organs below the diaphragm, with the gas that a search for lungs must not take."""

import numpy as np

from lungphantom import tissue_hu
from lungphantom.canvas import Canvas, Distance, stream
from lungphantom.chest import LEFT, RIGHT, Chest
from lungphantom.plan import PhantomPlan
from lungphantom.shapes import common, ellipsoid, paint_ellipsoid

_BOWEL_LOOPS = 9


def paint_abdomen(canvas: Canvas, chest: Chest, plan: PhantomPlan) -> None:
    """Paint diaphragm, liver, spleen, stomach with its gas, kidneys and bowel."""
    rng = stream(plan.seed, "abdomen")
    wide, deep, bottom = chest.half_width, chest.half_depth, float(canvas.z_mm[0])
    box = canvas.box((bottom, -deep, -wide), (chest.right_raised + chest.dome + 4.0, deep, wide))
    for side in (RIGHT, LEFT):
        canvas.paint(box, _beneath(chest, side, 0.0), tissue_hu.MUSCLE)
        canvas.paint(box, _beneath(chest, side, 4.0), tissue_hu.FAT)

    def organ(side: int, solid: Distance) -> Distance:
        room = _beneath(chest, side, 3.0)
        return lambda z, y, x: common(room(z, y, x), solid(z, y, x), blend_mm=3.0)

    liver = ellipsoid(
        (chest.right_raised + 0.2 * chest.dome, -10.0, -0.42 * wide),
        (chest.dome + 45.0, 1.05 * deep, 0.85 * wide),
    )
    canvas.paint(box, organ(RIGHT, liver), rng.uniform(52.0, 66.0))
    top = 0.85 * chest.dome
    spleen = ellipsoid((top - 48.0, 0.45 * deep, 0.62 * wide), (42.0, 32.0, 28.0))
    canvas.paint(box, organ(LEFT, spleen), tissue_hu.SPLEEN)
    stomach = ellipsoid((top - 34.0, -0.22 * deep, 0.46 * wide), (30.0, 36.0, 38.0))
    canvas.paint(box, organ(LEFT, stomach), tissue_hu.STOMACH)
    # Gas floats: it lies in front of a level.
    level = np.float32(-0.22 * deep + rng.uniform(-8.0, 6.0))
    inner = organ(LEFT, lambda z, y, x: stomach(z, y, x) + np.float32(3.0))
    canvas.paint(box, lambda z, y, x: common(inner(z, y, x) + np.float32(3.0), y - level), tissue_hu.GAS)
    for side in (RIGHT, LEFT):
        kidney = (-70.0 - 8.0 * (side == RIGHT), 0.42 * deep, side * 52.0)
        paint_ellipsoid(canvas, kidney, (50.0, 24.0, 26.0), tissue_hu.KIDNEY)
    for _ in range(_BOWEL_LOOPS):
        centre = (rng.uniform(-115.0, -30.0), rng.uniform(-0.65, 0.1) * deep, rng.uniform(-0.6, 0.7) * wide)
        radii = tuple(rng.uniform(9.0, 20.0, 3))
        filling = tissue_hu.GAS if rng.random() < 0.6 else tissue_hu.WATER
        paint_ellipsoid(canvas, centre, tuple(r + 3.0 for r in radii), tissue_hu.BOWEL_WALL)
        paint_ellipsoid(canvas, centre, radii, filling)


def _beneath(chest: Chest, side: int, gap_mm: float) -> Distance:
    """The space within the abdominal wall at least ``gap_mm`` below one dome of the diaphragm."""

    def distance(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        dome = np.float32(gap_mm) - chest.diaphragm(z, y, x, side)
        half = -side * x - np.float32(22.0)
        return common(chest.cage(z, y, x) + np.float32(2.0), dome, half)

    return distance
