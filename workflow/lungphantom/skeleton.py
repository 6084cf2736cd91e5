"""Spine, ribs, sternum, shoulders and the bones of the arms."""

import numpy as np

from lungphantom import tissue_hu
from lungphantom.canvas import Canvas, Distance
from lungphantom.chest import LEFT, RIGHT, Chest
from lungphantom.plan import PhantomPlan
from lungphantom.shapes import Point, common, paint_capsule, paint_ellipsoid
from lungphantom.torso import WALL_MM, arm

_DISC_MM = 5.0
_RIBS, _RIB_PIECES = 11, 16
# Middle of a rib outside the inner face of the cage, and half its thickness.
_RIB_OFFSET_MM, _RIB_RADIUS_MM = 6.5, 5.2


def paint_skeleton(canvas: Canvas, chest: Chest, plan: PhantomPlan) -> None:
    """Paint all bones."""
    _paint_spine(canvas, chest)
    _paint_ribs(canvas, chest)
    _paint_sternum(canvas, chest)
    _paint_shoulders(canvas, chest, "arms_down" in plan.variants)


def _paint_spine(canvas: Canvas, chest: Chest) -> None:
    """Vertebrae that grow from neck to loin, with discs between them."""
    z = float(canvas.z_mm[0]) - 10.0
    while z < canvas.z_mm[-1] + 10.0:
        level = z / chest.height
        radius = float(np.interp(level, (-0.5, 0.5, 1.0, 1.3), (19.5, 16.5, 13.0, 10.5)))
        body_mm = float(np.interp(level, (-0.5, 1.0, 1.3), (25.0, 17.0, 12.0)))
        _paint_vertebra(canvas, z, z + body_mm, float(chest.spine_y(np.float32(z))), radius)
        z += body_mm + _DISC_MM


def _paint_vertebra(canvas: Canvas, low: float, high: float, y: float, radius: float) -> None:
    middle, reach = (low + high) / 2.0, radius + 4.0
    box = canvas.box((low - 6.0, y - reach, -reach), (high + 6.0, y + reach, reach))

    def drum(inset_mm: float, longer_mm: float) -> Distance:
        def distance(z_mm: np.ndarray, y_mm: np.ndarray, x_mm: np.ndarray) -> np.ndarray:
            side = np.sqrt(((y_mm - np.float32(y)) * np.float32(1.15)) ** 2 + x_mm * x_mm)
            flat = np.abs(z_mm - np.float32(middle)) - np.float32((high - low) / 2.0 + longer_mm)
            return common(side - np.float32(radius - inset_mm), flat)

        return distance

    canvas.paint(box, drum(1.0, 4.0), tissue_hu.DISC)
    canvas.paint(box, drum(0.0, 0.0), tissue_hu.BONE)
    canvas.paint(box, drum(2.0, -2.0), tissue_hu.MARROW)
    # Arch, transverse and spinous processes around the canal.
    canal = y + radius + 7.0
    for side in (RIGHT, LEFT):
        root, bend = (middle, y + 0.7 * radius, side * 0.62 * radius), (middle, canal, side * 11.0)
        paint_capsule(canvas, (root, bend, 4.0, 4.0), tissue_hu.BONE)
        paint_capsule(canvas, (bend, (middle, canal + 8.0, side * 2.0), 3.5, 3.5), tissue_hu.BONE)
        paint_capsule(canvas, (bend, (middle + 3.0, canal + 4.0, side * 30.0), 4.0, 3.5), tissue_hu.THIN_BONE)
    spinous = ((middle, canal + 8.0, 0.0), (middle - 14.0, canal + 26.0, 0.0), 3.5, 3.0)
    paint_capsule(canvas, spinous, tissue_hu.THIN_BONE)
    paint_capsule(canvas, ((low - 3.0, canal, 0.0), (high + 3.0, canal, 0.0), 6.5, 6.5), tissue_hu.NERVE)


def _paint_ribs(canvas: Canvas, chest: Chest) -> None:
    """Pairs of ribs that run down and forward around the cage and end in cartilage."""
    for number in range(_RIBS):
        back_mm = chest.height * (0.985 - 0.088 * number)
        drop_mm = float(np.interp(number, (0, 3, 10), (22.0, 58.0, 62.0)))
        # The lowest ribs end before they reach the front. Angles from the spine (0) to the sternum (pi).
        end = 0.90 - 0.12 * max(0, number - 6)
        angles = np.linspace(0.13, end, _RIB_PIECES + 1) * np.pi
        for side in (RIGHT, LEFT):
            points = _rib_points(chest, back_mm, drop_mm, angles, side)
            for angle, start, stop in zip(angles[:-1], points[:-1], points[1:], strict=True):
                cartilage = angle > 0.80 * np.pi
                shell = tissue_hu.CARTILAGE if cartilage else tissue_hu.BONE
                paint_capsule(canvas, (start, stop, _RIB_RADIUS_MM, _RIB_RADIUS_MM), shell)
                if not cartilage:
                    core_mm = _RIB_RADIUS_MM / 2.0
                    paint_capsule(canvas, (start, stop, core_mm, core_mm), tissue_hu.MARROW)


def _rib_points(chest: Chest, back_mm: float, drop_mm: float, angles: np.ndarray, side: int) -> list[Point]:
    """The points of a rib at some angles; the cage is star-shaped, so halving finds where it is left."""
    z = back_mm - drop_mm * (1.0 - np.cos(angles)) / 2.0
    y, x = np.cos(angles) * chest.half_depth, side * np.sin(angles) * chest.half_width
    low, high = np.zeros_like(angles), np.full_like(angles, 2.0)
    for _ in range(18):
        share = (low + high) / 2.0
        within = (
            chest.cage(z.astype("f4"), (share * y).astype("f4"), (share * x).astype("f4")) < _RIB_OFFSET_MM
        )
        low, high = np.where(within, share, low), np.where(within, high, share)
    return [tuple(point) for point in np.column_stack([z, low * y, low * x]).tolist()]


def _paint_sternum(canvas: Canvas, chest: Chest) -> None:
    """Manubrium, leaning back, and body of the sternum, each of three sticks side by side."""
    front = -chest.half_depth - 9.0
    lean = 0.20 * chest.half_depth
    for x in (-9.0, 0.0, 9.0):
        notch, angle = (
            (0.86 * chest.height, front + lean + 6.0, x),
            (0.72 * chest.height, front + 0.4 * lean, x),
        )
        paint_capsule(canvas, (notch, angle, 5.5, 5.5), tissue_hu.STERNUM)
        body = ((0.70 * chest.height, front + 6.0, x), (0.30 * chest.height, front, x), 5.5, 5.5)
        paint_capsule(canvas, body, tissue_hu.STERNUM)


def _paint_shoulders(canvas: Canvas, chest: Chest, arms_down: bool) -> None:
    """Humerus, its head, clavicle and shoulder blade on both sides."""
    top, wide, deep = chest.height, chest.half_width, chest.half_depth
    for side in (RIGHT, LEFT):
        shoulder, elbow, _, _ = arm(chest, side, arms_down)
        paint_capsule(canvas, (shoulder, elbow, 13.0, 12.0), tissue_hu.SHAFT)
        paint_capsule(canvas, (shoulder, elbow, 7.0, 7.0), tissue_hu.DISC)
        joint = (
            (top, 16.0, side * (wide + 10.0))
            if not arms_down
            else (top - 14.0, 16.0, side * (wide + WALL_MM[0]))
        )
        paint_ellipsoid(canvas, joint, (21.0, 21.0, 21.0), tissue_hu.THIN_BONE)
        clavicle = (
            (0.90 * top, -0.72 * deep, side * 18.0),
            (top + 12.0, -8.0, side * (wide - 8.0)),
            6.0,
            6.0,
        )
        paint_capsule(canvas, clavicle, tissue_hu.BONE)
        # The blade's plane faces forward and outward by 35 degrees and leans with the ribs.
        rows = np.array(
            [[0.97, 0.10, side * 0.22], [-0.05, 0.83, -side * 0.55], [-side * 0.23, side * 0.52, 0.82]]
        )
        blade = (0.80 * top, 0.80 * deep, side * 0.80 * wide)
        paint_ellipsoid(canvas, blade, (58.0, 4.5, 36.0), tissue_hu.THIN_BONE, np.linalg.qr(rows.T)[0].T)
