"""The outside of the patient: body wall, arms, and the couch beneath."""

import numpy as np

from lungphantom import tissue_hu
from lungphantom.canvas import Canvas, Distance, stream
from lungphantom.chest import LEFT, RIGHT, Chest
from lungphantom.plan import PhantomPlan
from lungphantom.shapes import Stick, capsule, common, joined

# Thickness of the chest wall with muscle and fat at the sides, and in front and at the back.
WALL_MM = (34.0, 27.0)
# Rounding between trunk and arms.
_SEAM_MM = 12.0
_COUCH_MM, _SHELL_MM, _COUCH_HALF_WIDTH_MM = 48.0, 3.0, 262.0


def paint_torso(canvas: Canvas, chest: Chest, plan: PhantomPlan) -> None:
    """Paint couch, fat, muscle and the fat-filled cavity of chest and abdomen into a canvas of air."""
    rng = stream(plan.seed, "torso")
    _paint_couch(canvas, chest, gap_mm=rng.uniform(3.0, 8.0))
    fat_mm = np.float32(rng.uniform(7.0, 18.0))
    body = _body(chest, "arms_down" in plan.variants)
    for slab in canvas.slabs(canvas.whole()):
        distance = body(*canvas.coordinates(slab))
        canvas.blend(slab, canvas.share(distance), tissue_hu.FAT)
        canvas.blend(slab, canvas.share(distance + fat_mm), tissue_hu.MUSCLE)
    wide, deep = chest.half_width + 3.0, chest.half_depth + 3.0
    box = canvas.box((float(canvas.z_mm[0]), -deep, -wide), (chest.height * 1.04, deep, wide))
    canvas.paint(box, chest.cage, tissue_hu.FAT)


def arm(chest: Chest, side: int, down: bool) -> Stick:
    """Upper arm as start, end and both radii: beside the head for radiotherapy, else beside the body."""
    top, wide = chest.height, chest.half_width + WALL_MM[0]
    if down:
        shoulder, elbow = (top - 12.0, 14.0, side * (wide + 12.0)), (-220.0, 22.0, side * (wide + 52.0))
    else:
        shoulder, elbow = (top - 8.0, 16.0, side * (wide - 26.0)), (top + 200.0, -10.0, side * (wide + 6.0))
    return (shoulder, elbow, 46.0, 38.0)


def _body(chest: Chest, arms_down: bool) -> Distance:
    """Abdomen, chest, shoulders, neck and head as ellipses that change with the level; the arms joined on."""
    top = chest.height
    wide, deep = chest.half_width + WALL_MM[0], chest.half_depth + WALL_MM[1]
    shoulders = 1.12 if arms_down else 0.98
    # Level; half width, half depth, and middle along y there; all mm.
    outline = np.array(
        [
            (-200.0, 0.97 * wide, 0.96 * deep, 4.0),
            (0.0, wide, deep, 4.0),
            (0.7 * top, wide, deep, 4.0),
            (top - 10.0, shoulders * wide, 0.84 * deep, 14.0),
            (top + 22.0, 0.78 * wide, 0.68 * deep, 12.0),
            (top + 55.0, 66.0, 66.0, 6.0),
            (top + 90.0, 62.0, 64.0, 0.0),
            (top + 130.0, 74.0, 88.0, -12.0),
            (top + 220.0, 76.0, 96.0, -14.0),
        ]
    )
    sticks = [arm(chest, side, arms_down) for side in (LEFT, RIGHT)]
    arms = [capsule(*stick) for stick in sticks]
    arms_from = min(min(start[0], end[0]) - radius for start, end, radius, _ in sticks) - _SEAM_MM

    def distance(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        width, depth, middle = (
            np.interp(z, outline[:, 0], outline[:, column]).astype("f4") for column in (1, 2, 3)
        )
        power = np.float32(2.5)
        radius = (np.abs(x) / width) ** power + (np.abs(y - middle) / depth) ** power
        # First-order distance: the root of the superellipse is spared, only values near 1 matter.
        trunk = (radius - np.float32(1.0)) * (np.sqrt(width * depth) / power)
        if z.max() < arms_from:
            return trunk
        return joined(trunk, *(limb(z, y, x) for limb in arms), blend_mm=_SEAM_MM)

    return distance


def _paint_couch(canvas: Canvas, chest: Chest, gap_mm: float) -> None:
    """A carbon shell around foam, slightly hollow, under the whole patient."""
    back_mm = chest.half_depth + WALL_MM[1] + gap_mm

    def slab(inset_mm: float) -> Distance:
        def distance(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
            top = np.float32(back_mm + inset_mm) - (x / np.float32(75.0)) ** 2
            flat = common(top - y, y - np.float32(back_mm + _COUCH_MM - inset_mm))
            sides = np.abs(x) - np.float32(_COUCH_HALF_WIDTH_MM - inset_mm)
            return common(flat, sides) + np.zeros_like(z)

        return distance

    reach = _COUCH_HALF_WIDTH_MM + 5.0
    low, high = (
        (float(canvas.z_mm[0]), back_mm - 18.0, -reach),
        (float(canvas.z_mm[-1]), back_mm + 55.0, reach),
    )
    canvas.paint(canvas.box(low, high), slab(0.0), tissue_hu.CARBON)
    canvas.paint(canvas.box(low, high), slab(_SHELL_MM), tissue_hu.FOAM)
