"""Heart, great vessels and airways."""

import numpy as np
from lunggtv.geometry import three_of

from lungphantom import tissue_hu
from lungphantom.canvas import Canvas, stream
from lungphantom.chest import LEFT, RIGHT, Chest
from lungphantom.plan import PhantomPlan
from lungphantom.shapes import Stick, ellipsoid, paint_capsule, paint_ellipsoid

# The larynx begins this far above the lungs.
_LARYNX_MM = 62.0
_SPECKS = 26


def blood_hu(plan: PhantomPlan) -> float:
    """Blood on this scan."""
    return tissue_hu.BLOOD_WITH_CONTRAST if "contrast" in plan.variants else tissue_hu.BLOOD


def paint_mediastinum(canvas: Canvas, chest: Chest, plan: PhantomPlan) -> None:
    """Paint heart, aorta, caval vein, pulmonary arteries, vessels of the neck and gullet."""
    blood = blood_hu(plan)
    z, y, x = chest.heart_centre
    level, back, _ = chest.carina
    paint_ellipsoid(canvas, chest.heart_centre, chest.heart_radii, blood - 4.0)
    paint_ellipsoid(canvas, (z - 4.0, y + 10.0, x - 14.0), (26.0, 20.0, 24.0), blood + 4.0)
    for piece in chest.aorta_course():
        paint_capsule(canvas, piece, blood)
    trunk = (level - 14.0, -16.0, 16.0)
    paint_capsule(canvas, ((z + 20.0, -14.0, -20.0), (level + 52.0, -14.0, -19.0), 10.0, 8.5), blood)
    paint_capsule(canvas, ((z + 25.0, -30.0, 16.0), trunk, 14.0, 13.0), blood)
    for side in (RIGHT, LEFT):
        paint_capsule(canvas, (trunk, chest.hilum(side), 11.0, 8.0), blood)
        neck = ((level + 40.0, -8.0, side * 17.0), (chest.height + 60.0, -6.0, side * 30.0), 5.0, 4.5)
        paint_capsule(canvas, neck, blood)
    gullet = ((0.1 * chest.height, back + 20.0, 10.0), (chest.height + 50.0, back + 14.0, 3.0), 8.0, 7.0)
    paint_capsule(canvas, gullet, tissue_hu.GULLET)
    _paint_specks(canvas, chest, plan)


def paint_airways(canvas: Canvas, chest: Chest, plan: PhantomPlan) -> None:
    """Paint trachea and bronchi; the trachea reaches the top slice unless a closed larynx ends it."""
    course = _airways(chest, plan, top_mm=float(canvas.z_mm[-1]) + 20.0)
    for start, end, radius_start, radius_end in course:
        paint_capsule(canvas, (start, end, radius_start + 1.8, radius_end + 1.3), tissue_hu.AIRWAY_WALL)
    for piece in course:
        paint_capsule(canvas, piece, tissue_hu.AIRWAY)


def heart_mask(canvas: Canvas, chest: Chest) -> np.ndarray:
    """uint8 mask of the heart."""
    mask = np.zeros(canvas.hu.shape, np.uint8)
    centre, radii = np.asarray(chest.heart_centre), np.asarray(chest.heart_radii)
    box = canvas.box(tuple(centre - radii), tuple(centre + radii))
    mask[box] = ellipsoid(chest.heart_centre, chest.heart_radii)(*canvas.coordinates(box)) < 0
    return mask


def _airways(chest: Chest, plan: PhantomPlan, top_mm: float) -> list[Stick]:
    _, back, _ = chest.carina
    end_mm = min(chest.height + _LARYNX_MM, top_mm) if "closed_airway" in plan.variants else top_mm
    neck = (min(chest.height + 30.0, end_mm), back - 2.0, 0.0)
    course: list[Stick] = [(chest.carina, neck, 8.6, 8.2)]
    if end_mm > neck[0]:
        course.append((neck, (end_mm, back - 12.0, 0.0), 8.2, 7.0))
    for side in (RIGHT, LEFT):
        z, y, x = chest.hilum(side)
        radius = 7.4 if side == RIGHT else 6.6
        course.append((chest.carina, (z, y, x), radius, radius - 1.2))
        lower, upper = (z - 34.0, y + 16.0, x + side * 20.0), (z + 26.0, y - 10.0, x + side * 18.0)
        # Under a raised diaphragm there is no lower lobe at that place.
        course += [
            ((z, y, x), end, radius - narrower, radius_end)
            for end, narrower, radius_end in ((lower, 1.6, 2.8), (upper, 2.4, 2.2))
            if float(chest.lung(*three_of(np.asarray(end, "f4")), side=side)) < -radius_end
        ]
    return course


def _paint_specks(canvas: Canvas, chest: Chest, plan: PhantomPlan) -> None:
    """Small nodes and thymic rests make the fat of the mediastinum uneven."""
    rng = stream(plan.seed, "mediastinum")
    for _ in range(_SPECKS):
        centre = (rng.uniform(0.35, 0.95) * chest.height, rng.uniform(-45.0, 35.0), rng.uniform(-24.0, 24.0))
        paint_ellipsoid(canvas, centre, tuple(rng.uniform(2.5, 6.0, 3)), rng.uniform(10.0, 45.0))
