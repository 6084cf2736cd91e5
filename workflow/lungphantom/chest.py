"""The inside of the rib cage: two lungs as implicit solids, and the landmarks other parts stand on."""

from dataclasses import dataclass

import numpy as np

from lungphantom.canvas import stream
from lungphantom.plan import PhantomPlan
from lungphantom.shapes import capsule, common, ellipsoid

RIGHT, LEFT = -1, 1

# Shares of the lungs' height, and there the shares of the chest's half width and half depth.
_CAGE_AT = (-0.6, 0.0, 0.25, 0.5, 0.7, 0.85, 0.94, 1.0, 1.04)
_CAGE_WIDTH = (0.94, 1.0, 1.0, 0.95, 0.84, 0.68, 0.52, 0.36, 0.05)
_CAGE_DEPTH = (0.92, 0.98, 1.0, 0.96, 0.86, 0.70, 0.54, 0.37, 0.05)
_SPINE_AT = (-0.6, 0.0, 0.5, 0.85, 1.1, 1.4, 2.0)
_SPINE_BACK = (0.52, 0.60, 0.70, 0.66, 0.48, 0.32, 0.30)

# Rounding of the edges where two surfaces of a lung meet, mm: a lung has no knife edges.
_ROUND_MM = 7.0
# A lung raised further would not reach half a litre in a slight chest.
_MOST_RAISED = 0.32
# Couch travel during a sixth of a breath (a full circle is 2 pi of it).
_BREATH_COUCH_MM = 4.0


@dataclass(frozen=True)
class Chest:
    """Measures of one patient in mm; positions as in ``Canvas``. Triples are (z, y, x)."""

    height: float
    half_width: float
    half_depth: float
    right_raised: float
    dome: float
    gap: float
    heart_centre: tuple[float, float, float]
    heart_radii: tuple[float, float, float]
    carina: tuple[float, float, float]
    breath_mm: float
    breath_phase: float
    missing: int = 0
    joined: bool = False

    def healthy_side(self, rng: np.random.Generator) -> int:
        """A random side, but never that of a missing lung."""
        side = RIGHT if rng.random() < 0.55 else LEFT
        return -self.missing if self.missing else side

    def floor(self, side: int) -> float:
        """The level of the lowest point of one lung."""
        return self.right_raised if side == RIGHT else 0.0

    def hilum(self, side: int) -> tuple[float, float, float]:
        """Where vessels and bronchi enter a lung: below the carina, but above a raised diaphragm."""
        level = max(self.carina[0] - 20.0, self.floor(side) + self.dome + 8.0)
        return (level, self.carina[1] - 4.0, side * (self.gap + 22.0))

    def spine_y(self, z: np.ndarray | np.float32) -> np.ndarray:
        """The middle of the vertebral bodies along y, bent as a spine is."""
        return np.interp(z / self.height, _SPINE_AT, np.multiply(_SPINE_BACK, self.half_depth)).astype("f4")

    def cage(self, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Distance to the inner face of the ribs and, below the lungs, of the abdominal wall."""
        level = z / self.height
        width = np.interp(level, _CAGE_AT, np.multiply(_CAGE_WIDTH, self.half_width)).astype("f4")
        depth = np.interp(level, _CAGE_AT, np.multiply(_CAGE_DEPTH, self.half_depth)).astype("f4")
        # The tops of the lungs lie further back than their middle.
        y_middle = np.interp(level, (0.45, 1.0), (0.0, 0.22 * self.half_depth)).astype("f4")
        power = np.float32(2.4)
        radius = (np.abs(x) / width) ** power + (np.abs(y - y_middle) / depth) ** power
        return (radius ** (1 / power) - np.float32(1.0)) * np.sqrt(width * depth)

    def diaphragm(self, z: np.ndarray, y: np.ndarray, x: np.ndarray, side: int) -> np.ndarray:
        """Distance to one dome of the diaphragm, negative above it."""
        across = (x - np.float32(side * 0.50 * self.half_width)) / np.float32(0.56 * self.half_width)
        along = (y + np.float32(0.12 * self.half_depth)) / np.float32(1.05 * self.half_depth)
        middle = np.float32(self.dome * (1.0 if side == RIGHT else 0.85))
        # The patient breathes while the couch moves on: the dome rises and falls from slice to slice.
        breath = np.sin(z / np.float32(_BREATH_COUCH_MM) + np.float32(self.breath_phase))
        rise = middle + np.float32(self.breath_mm) * breath
        level = np.float32(self.floor(side)) + rise * (np.float32(1.0) - across * across - along * along)
        # 0.75: the usual cosine of the dome's slope turns height into distance.
        return (np.maximum(level, np.float32(self.floor(side))) - z) * np.float32(0.75)

    def lung(self, z: np.ndarray, y: np.ndarray, x: np.ndarray, side: int) -> np.ndarray:
        """Distance to the pleura of one lung."""
        spine_y = self.spine_y(z)
        behind = np.maximum(spine_y - y, 0.0)
        spine = np.sqrt(behind * behind + x * x) - np.float32(29.0)
        heart = ellipsoid(self.heart_centre, self.heart_radii)(z, y, x) - np.float32(4.0)
        parts = [self.cage(z, y, x), self._midline(z, y, side) - side * x]
        parts += [self.diaphragm(z, y, x, side), -spine, -heart]
        if side == LEFT:
            parts += [-(distance(z, y, x) - np.float32(3.0)) for distance in self.aorta()]
        return common(*(part.astype("f4", copy=False) for part in parts), blend_mm=_ROUND_MM)

    def aorta(self) -> tuple:
        """The arch and the descending aorta, as solids."""
        return tuple(capsule(*piece) for piece in self.aorta_course())

    def aorta_course(self) -> tuple:
        """Start, end and both radii of the pieces of the aorta, from the heart on."""
        z, top = self.heart_centre[0], self.carina[0] + 34.0
        back = float(self.spine_y(np.float32(self.carina[0]))) - 22.0
        points = (
            (z + 30.0, -18.0, 2.0), (top - 22.0, -20.0, -8.0), (top - 2.0, -6.0, 2.0), (top, 8.0, 14.0),
            (top - 14.0, back - 4.0, 22.0), (z, back, 22.0),
            (-0.5 * self.height, float(self.spine_y(np.float32(-0.5 * self.height))) - 24.0, 8.0),
        )  # fmt: skip
        radii = (15.0, 14.5, 13.5, 13.0, 12.0, 11.5, 10.0)
        return tuple(zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True))

    def _midline(self, z: np.ndarray, y: np.ndarray, side: int) -> np.ndarray:
        """How far the mediastinum reaches to one side: a sheet in front, wide at the hila and the top."""
        level = z / np.float32(self.height)
        waist = np.exp(-(((y - np.float32(10.0)) / np.float32(34.0)) ** 2))
        front = np.float32(-8.0 if self.joined else 5.0)
        top = np.interp(level, (0.72, 0.95), (0.0, 12.0)).astype("f4")
        wide = np.float32(self.gap + (4.0 if side == RIGHT else 0.0)) - np.float32(8.0)
        return front + top + wide * waist


def measure(plan: PhantomPlan) -> Chest:
    """The chest of a plan."""
    rng = stream(plan.seed, "chest")
    height, depth, width = plan.lungs_mm
    carina = (height * rng.uniform(0.60, 0.64), rng.uniform(6.0, 12.0), rng.uniform(-2.0, 3.0))
    heart_size = rng.uniform(0.92, 1.08)
    variants = plan.variants
    return Chest(
        height=height,
        half_width=width / 2.0,
        half_depth=depth / 2.0,
        right_raised=min(plan.right_raised_mm, _MOST_RAISED * height),
        dome=height * rng.uniform(0.22, 0.30),
        gap=rng.uniform(24.0, 30.0),
        heart_centre=(0.33 * height, -0.28 * depth, 20.0),
        heart_radii=(50.0 * heart_size, 42.0 * heart_size, 54.0 * heart_size),
        carina=carina,
        breath_mm=rng.uniform(0.0, 3.0),
        breath_phase=rng.uniform(0.0, 2.0 * np.pi),
        missing=struck_side(plan) if "missing_lung" in variants or "collapsed_lung" in variants else 0,
        joined="joined_lungs" in variants,
    )


def struck_side(plan: PhantomPlan) -> int:
    """The side that planted failures strike."""
    return RIGHT if stream(plan.seed, "side").random() < 0.5 else LEFT
