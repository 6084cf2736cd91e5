"""The arteries and veins that branch from the hila into the lungs."""

import numpy as np

from lungphantom.canvas import Canvas, stream
from lungphantom.chest import LEFT, RIGHT, Chest
from lungphantom.mediastinum import blood_hu
from lungphantom.plan import PhantomPlan
from lungphantom.shapes import Stick, paint_capsule

# A vessel thinner than this share of a pixel changes nothing that noise does not hide.
_THINNEST_SHARE = 0.3
_ROOT_RADIUS_MM, _ROOT_LENGTH_MM, _LAST_RADIUS_MM = 4.6, 30.0, 0.85
_PLEURA_MM = 4.0
# A stick's end radius as a share of its start's; how far a branch bends away, in lengths of its course.
_TAPER, _BEND = 0.86, 0.55
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
    """Sticks of a tree, grown one generation at a time.

    Each stick parts in two, thinner (Murray 1926: 0.79 for equal parts) and shorter, until the vessels are
    too thin or find no room.
    """
    courses = np.array([(dz, dy, side * dx) for dz, dy, dx in _LOBES])
    starts = np.tile(root, (len(courses), 1))
    radii, lengths = np.full(len(courses), _ROOT_RADIUS_MM), np.full(len(courses), _ROOT_LENGTH_MM)
    sticks: list[Stick] = []
    while len(starts):
        ends, grown = _grow(chest, side, starts, courses, lengths, rng)
        rows = zip(starts[grown].tolist(), ends[grown].tolist(), radii[grown].tolist(), strict=True)
        sticks += [(tuple(start), tuple(end), radius, radius * _TAPER) for start, end, radius in rows]
        parting = np.repeat(np.flatnonzero(grown & (radii > _LAST_RADIUS_MM)), 2)
        starts, courses = ends[parting], _unit(ends[parting] - starts[parting])
        courses = courses + _BEND * rng.standard_normal(courses.shape)
        radii = radii[parting] * rng.uniform(0.68, 0.84, parting.size)
        lengths = lengths[parting] * rng.uniform(0.74, 0.92, parting.size)
    return sticks


def _grow(
    chest: Chest,
    side: int,
    starts: np.ndarray,
    courses: np.ndarray,
    lengths: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the next sticks, and which of them lie clear of the pleura after five tries."""
    ends, grown = starts.copy(), np.zeros(len(starts), bool)
    for attempt in range(5):
        wander = (0.15 + 0.25 * attempt) * rng.standard_normal(starts.shape)
        tried = starts + (1.0 - 0.12 * attempt) * lengths[:, None] * _unit(_unit(courses) + wander)
        z, y, x = tried.T.astype("f4")
        fits = ~grown & (chest.lung(z, y, x, side) < -_PLEURA_MM)
        ends[fits] = tried[fits]
        grown |= fits
    return ends, grown


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
