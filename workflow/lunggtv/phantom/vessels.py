"""The arteries and veins that branch from the hila into the lungs."""

import numpy as np

from lunggtv.phantom.canvas import Canvas, stream
from lunggtv.phantom.chest import LEFT, RIGHT, Chest
from lunggtv.phantom.mediastinum import blood_hu
from lunggtv.phantom.plan import PhantomPlan
from lunggtv.phantom.shapes import Stick, paint_capsule

# A vessel thinner than this share of a pixel changes nothing that noise does not hide.
_THINNEST_SHARE = 0.3
_ROOT_RADIUS_MM, _ROOT_LENGTH_MM, _LAST_RADIUS_MM = 4.6, 30.0, 0.85
_PLEURA_MM = 4.0
# First courses (z, y, outward) of the branches to the lobes.
_LOBES = ((0.85, -0.25, 0.5), (0.25, -0.85, 0.5), (-0.15, 0.2, 1.0), (-0.75, 0.45, 0.5), (-0.6, -0.45, 0.7))


def paint_vessels(canvas: Canvas, chest: Chest, plan: PhantomPlan) -> None:
    """Paint two trees, arteries and veins, in each lung that there is."""
    thinnest_mm = _THINNEST_SHARE * canvas.spacing_mm[2]
    for side in (RIGHT, LEFT):
        if side == chest.missing:
            continue
        for tree in range(2):
            rng = stream(plan.seed, f"vessels {side} {tree}")
            z, y, x = chest.hilum(side)
            root = np.array([z + rng.uniform(-8.0, 8.0), y - 6.0 + 10.0 * tree, x - side * 6.0])
            for stick in _tree(chest, side, root, rng):
                if stick[2] > thinnest_mm:
                    paint_capsule(canvas, stick, blood_hu(plan) - 4.0)


def _tree(chest: Chest, side: int, root: np.ndarray, rng: np.random.Generator) -> list[Stick]:
    """Sticks of a tree; each parts in two, thinner (Murray 1926: 0.79 for equal parts) and shorter."""
    open_ends = [
        (root, np.array([dz, dy, side * dx]), _ROOT_RADIUS_MM, _ROOT_LENGTH_MM) for dz, dy, dx in _LOBES
    ]
    sticks: list[Stick] = []
    while open_ends:
        start, course, radius, length = open_ends.pop()
        end = _grow(chest, side, start, course, length, rng)
        if end is None:
            continue
        sticks.append((tuple(start), tuple(end), radius, radius * 0.86))
        if radius > _LAST_RADIUS_MM:
            for _ in range(2):
                bent = _unit(end - start) + 0.55 * rng.standard_normal(3)
                thinner = radius * rng.uniform(0.68, 0.84)
                open_ends.append((end, bent, thinner, length * rng.uniform(0.74, 0.92)))
    return sticks


def _grow(
    chest: Chest, side: int, start: np.ndarray, course: np.ndarray, length: float, rng: np.random.Generator
) -> np.ndarray | None:
    """The end of the next stick, clear of the pleura; None where five tries find no room."""
    for attempt in range(5):
        wander = (0.15 + 0.25 * attempt) * rng.standard_normal(3)
        end = start + length * (1.0 - 0.12 * attempt) * _unit(_unit(course) + wander)
        if float(chest.lung(*end.astype("f4"), side=side)) < -_PLEURA_MM:
            return end
    return None


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
