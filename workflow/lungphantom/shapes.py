"""Signed distances of simple solids in mm, negative inside; arguments z, y, x broadcast."""

import numpy as np
from lunggtv.geometry import three_of

from lungphantom.canvas import Box, Canvas, Distance

Point = tuple[float, float, float]
# Start, end, radius at the start and at the end of a round stick.
Stick = tuple[Point, Point, float, float]


def ellipsoid(centre: Point, radii: Point, tilt: np.ndarray | None = None) -> Distance:
    """An ellipsoid; exact on its surface, near it within the ratio of the radii. Triples are (z, y, x).

    ``tilt`` is a rotation matrix on (z, y, x) whose rows are the axes of the radii.
    """
    scale = float(np.prod(radii)) ** (1.0 / 3.0)
    axes = np.eye(3) if tilt is None else tilt
    matrix = (axes / np.asarray(radii)[:, None]).astype(np.float32)

    def distance(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        dz, dy, dx = z - np.float32(centre[0]), y - np.float32(centre[1]), x - np.float32(centre[2])
        square = sum((row[0] * dz + row[1] * dy + row[2] * dx) ** 2 for row in matrix)
        return (np.sqrt(square) - np.float32(1.0)) * np.float32(scale)

    return distance


def capsule(start: Point, end: Point, radius_start: float, radius_end: float) -> Distance:
    """A round stick from ``start`` to ``end`` whose radius changes evenly. Points are (z, y, x)."""
    a = np.asarray(start, dtype=np.float32)
    along = np.asarray(end, dtype=np.float32) - a
    square = np.float32(max(float(along @ along), 1e-6))

    def distance(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        dz, dy, dx = z - a[0], y - a[1], x - a[2]
        share = np.clip((dz * along[0] + dy * along[1] + dx * along[2]) / square, 0.0, 1.0)
        gap = (dz - share * along[0]) ** 2 + (dy - share * along[1]) ** 2 + (dx - share * along[2]) ** 2
        return np.sqrt(gap) - (np.float32(radius_start) + share * np.float32(radius_end - radius_start))

    return distance


def paint_capsule(canvas: Canvas, stick: Stick, hu: float) -> None:
    """Paint a capsule within the smallest box that holds it."""
    start, end, radius_start, radius_end = stick
    box = box_around(canvas, (start, end), max(radius_start, radius_end) + 1.0)
    canvas.paint(box, capsule(*stick), hu)


def paint_ellipsoid(
    canvas: Canvas, centre: Point, radii: Point, hu: float, tilt: np.ndarray | None = None
) -> None:
    """Paint an ellipsoid within a box that holds it however it is turned."""
    reach = radii if tilt is None else (max(radii),) * 3
    low = three_of(c - r - 1.0 for c, r in zip(centre, reach, strict=True))
    high = three_of(c + r + 1.0 for c, r in zip(centre, reach, strict=True))
    canvas.paint(canvas.box(low, high), ellipsoid(centre, radii, tilt), hu)


def box_around(canvas: Canvas, points: tuple[Point, ...], reach_mm: float) -> Box:
    """The box of all voxels within ``reach_mm`` of the box spanned by points."""
    array = np.asarray(points)
    edge_mm = reach_mm + canvas.spacing_mm[2]
    return canvas.box(tuple(array.min(axis=0) - edge_mm), tuple(array.max(axis=0) + edge_mm))


def joined(*distances: np.ndarray, blend_mm: float = 0.0) -> np.ndarray:
    """Union of solids; ``blend_mm`` rounds the seam."""
    return -common(*(-distance for distance in distances), blend_mm=blend_mm)


def common(*distances: np.ndarray, blend_mm: float = 0.0) -> np.ndarray:
    """Intersection of solids; ``blend_mm`` rounds the edge."""
    total = distances[0]
    for other in distances[1:]:
        total = _larger(total, other, blend_mm)
    return total


def turn(rng: np.random.Generator) -> np.ndarray:
    """A random rotation matrix about a random axis (Rodrigues' formula)."""
    axis = rng.standard_normal(3)
    axis /= np.linalg.norm(axis)
    angle = np.deg2rad(rng.uniform(-180.0, 180.0))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


def _larger(a: np.ndarray, b: np.ndarray, blend_mm: float) -> np.ndarray:
    if blend_mm == 0.0:
        return np.maximum(a, b)
    gap = a - b
    return np.float32(0.5) * (a + b + np.sqrt(gap * gap + np.float32(blend_mm**2)))
