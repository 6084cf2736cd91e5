"""A solid that bulges, fills the room it has, and has exactly the volume it should."""

from dataclasses import dataclass

import numpy as np

from lungphantom.canvas import Box, Canvas, Distance
from lungphantom.shapes import Point, box_around, common, ellipsoid, turn

# Half the edge of the box a growth is looked for in, in radii of a sphere of its volume.
_REACH = 2.4
# Points along that edge when a growth is scaled to its volume.
_LATTICE = 44
_WAVES, _WAVE_NUMBER = 5, 1.9


@dataclass(frozen=True)
class Growth:
    """A solid, its centre (z, y, x) and the radius of a sphere of its volume, in mm."""

    distance: Distance
    centre: Point
    radius_mm: float

    def box(self, canvas: Canvas) -> Box:
        """A box that surely holds it."""
        return box_around(canvas, (self.centre,), _REACH * self.radius_mm)

    def paint(self, canvas: Canvas, hu: float, decay_hu: float) -> None:
        """Paint it, ``decay_hu`` less dense for each mm below the outer 8 mm, as large tumours are."""
        box = self.box(canvas)
        depth_mm = np.clip(-self.distance(*canvas.coordinates(box)) - 8.0, 0.0, 20.0)
        canvas.paint(box, self.distance, np.float32(hu) - np.float32(decay_hu) * depth_mm)

    def draw(self, mask: np.ndarray, canvas: Canvas) -> None:
        """Mark the voxels whose centres lie within."""
        box = self.box(canvas)
        mask[box] |= self.distance(*canvas.coordinates(box)) < 0


def grow(centre: Point, volume_ml: float, room: Distance, rng: np.random.Generator, rough: float) -> Growth:
    """A bulging ellipsoid about ``centre`` that has ``volume_ml`` within its room.

    ``rough`` is the height of its bulges in radii. It is scaled on a lattice of points of its own, so that
    its size does not depend on the CT's voxels. Where the room is too small it fills what it reaches.
    """
    radius = radius_mm(volume_ml)
    raw = _bulging(centre, radius, rng, rough)
    reach = _REACH * radius
    steps = (((np.arange(_LATTICE) + 0.5) / _LATTICE * 2.0 - 1.0) * reach).astype("f4")
    z, y, x = (np.float32(middle) + steps for middle in centre)
    lattice = (z[:, None, None], y[None, :, None], x[None, None, :])
    free = np.sort(raw(*lattice)[room(*lattice) < 0.0])
    point_ml = (2.0 * reach / _LATTICE) ** 3 / 1000.0
    wanted = min(round(volume_ml / point_ml), free.size - 1)
    edge = np.float32(free[wanted]) if wanted >= 0 else np.float32(0.0)

    def distance(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return common(raw(z, y, x) - edge, room(z, y, x))

    return Growth(distance, centre, radius)


def radius_mm(volume_ml: float) -> float:
    """Radius of a sphere."""
    return float((3000.0 * volume_ml / (4.0 * np.pi)) ** (1.0 / 3.0))


def _bulging(centre: Point, radius: float, rng: np.random.Generator, rough: float) -> Distance:
    """An ellipsoid whose surface swells and sinks smoothly with the direction."""
    radii = radius * np.exp(rng.uniform(-0.22, 0.22, 3))
    base = ellipsoid(centre, tuple(radii), turn(rng))
    waves = (_WAVE_NUMBER * rng.standard_normal((_WAVES, 3))).astype("f4")
    phases = rng.uniform(0.0, 2.0 * np.pi, _WAVES).astype("f4")

    def distance(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        dz, dy, dx = (v - np.float32(middle) for v, middle in zip((z, y, x), centre, strict=True))
        away = np.sqrt(dz * dz + dy * dy + dx * dx) + np.float32(1e-3)
        swell = sum(
            np.sin((wave[0] * dz + wave[1] * dy + wave[2] * dx) / away + phase)
            for wave, phase in zip(waves, phases, strict=True)
        )
        # Directions mean nothing at the centre: there the bulges fade.
        return base(z, y, x) - np.float32(rough * radius / 2.0) * swell * np.minimum(away / radius, 1.0)

    return distance
