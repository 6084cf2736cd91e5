"""The tumour: where it grows, what surrounds it, and the label a physician would draw."""

import numpy as np
from lunggtv.geometry import three_of

from lungphantom import patient_kinds as kinds
from lungphantom import tissue_hu
from lungphantom.canvas import Canvas, Distance, stream
from lungphantom.chest import LEFT, RIGHT, Chest
from lungphantom.growth import Growth, grow, radius_mm
from lungphantom.plan import PhantomPlan
from lungphantom.shapes import Point, box_around, capsule, common, ellipsoid, paint_capsule

_CANDIDATES, _CHOSEN = 4000, 12
_SPICULES, _SPICULE_HU = 16, -40.0
_CONTRAST_HU = 24.0


def paint_tumour(canvas: Canvas, chest: Chest, plan: PhantomPlan) -> tuple[np.ndarray, np.ndarray]:
    """Paint all growths of a plan; returns the uint8 label (GTV) and its part above the lungs."""
    rng = stream(plan.seed, "tumour")
    label = np.zeros(canvas.hu.shape, np.uint8)
    node = np.zeros(canvas.hu.shape, np.uint8)
    side = chest.healthy_side(rng)
    hu = rng.uniform(28.0, 48.0) + (_CONTRAST_HU if "contrast" in plan.variants else 0.0)
    primary = _growth_at(chest, plan.site, plan.tumour_ml, side, rng)
    if kinds.ATELECTASIS in plan.features:
        _paint_atelectasis(canvas, chest, side, primary, hu, stream(plan.seed, kinds.ATELECTASIS))
    if kinds.SPICULATED in plan.features:
        _paint_spicules(canvas, primary, stream(plan.seed, kinds.SPICULATED))
    primary.paint(canvas, hu, decay_hu=rng.uniform(0.0, 0.7))
    primary.draw(label, canvas)
    if kinds.CAVITY in plan.features:
        _paint_hollow(canvas, primary)
    if plan.second:
        second = _growth_at(
            chest, *plan.second, chest.healthy_side(another := stream(plan.seed, "second")), another
        )
        second.paint(canvas, hu, decay_hu=0.0)
        second.draw(label, canvas)
    if kinds.NODE in plan.features:
        central = _central_node(chest, side, primary, stream(plan.seed, kinds.NODE))
        central.paint(canvas, hu, decay_hu=0.0)
        central.draw(label, canvas)
    if kinds.SUPRACLAVICULAR in plan.features:
        high = _high_node(chest, side, stream(plan.seed, kinds.SUPRACLAVICULAR))
        high.paint(canvas, hu, decay_hu=0.0)
        high.draw(node, canvas)
    return np.maximum(label, node), node


def _growth_at(chest: Chest, site: str, volume_ml: float, side: int, rng: np.random.Generator) -> Growth:
    centre = _place(chest, site, side, radius_mm(volume_ml), rng)
    return grow(centre, volume_ml, _room(chest, site, side), rng, rough=0.16)


def _place(chest: Chest, site: str, side: int, radius: float, rng: np.random.Generator) -> Point:
    """A centre that suits the site: one of the best of many points thrown into the lung."""
    z = rng.uniform(chest.floor(side), 0.97 * chest.height, _CANDIDATES).astype("f4")
    y = rng.uniform(-chest.half_depth, chest.half_depth, _CANDIDATES).astype("f4")
    x = side * rng.uniform(0.0, chest.half_width, _CANDIDATES).astype("f4")
    depth = chest.lung(z, y, x, side)
    if site == kinds.SOLITARY:
        # All of the tumour inside if the lung has room, else as deep as can be.
        misfit = np.maximum(depth + np.float32(radius + 4.0), 0.0)
    elif site == kinds.PLEURAL:
        # Nearly half a radius cut off by the ribs' side of the pleura.
        misfit = np.abs(depth + np.float32(0.55 * radius)) + np.abs(chest.cage(z, y, x) - depth)
    else:
        hilar = site == kinds.HILAR
        level, _, hilum_x = chest.hilum(side)
        # A hilar tumour hangs on the hilum; a mediastinal one sits astride the pleura.
        wanted = hilum_x + side * 0.3 * radius if hilar else side * (0.8 * chest.gap + 0.15 * radius)
        above = z - np.float32(level)
        misfit = np.abs(x - np.float32(wanted)) + np.float32(0.25) * np.abs(y - np.float32(2.0))
        low, high = (-16.0, 28.0) if hilar else (8.0, 68.0)
        misfit += np.float32(4.0) * (np.maximum(low - above, 0.0) + np.maximum(above - high, 0.0))
    # Points outside the chest are no places at all.
    misfit = misfit + np.float32(0.5) * np.maximum(depth - np.float32(30.0), 0.0)
    best = np.argsort(misfit, kind="stable")[:_CHOSEN]
    pick = int(rng.choice(np.flatnonzero(misfit <= misfit[best[-1]])))
    return (float(z[pick]), float(y[pick]), float(x[pick]))


def _room(chest: Chest, site: str, side: int) -> Distance:
    """Where a tumour of a site may grow."""
    if site == kinds.SOLITARY:
        return lambda z, y, x: chest.lung(z, y, x, side) + np.float32(1.5)
    if site == kinds.PLEURAL:
        return lambda z, y, x: chest.lung(z, y, x, side) - np.float32(4.0)
    return _central_room(chest, side)


def _central_room(chest: Chest, side: int) -> Distance:
    """One half of the chest without heart, aorta, spine, windpipe and the space below the domes."""
    level, back, _ = chest.carina
    airway = capsule((level, back, 0.0), (chest.height + 60.0, back - 4.0, 0.0), 11.0, 11.0)
    solids = [
        ellipsoid(chest.heart_centre, three_of(r + 2.0 for r in chest.heart_radii)),
        airway,
        *chest.aorta(),
    ]

    def distance(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        behind = np.maximum(chest.spine_y(z) - y, 0.0)
        spine = np.sqrt(behind * behind + x * x) - np.float32(24.0)
        domes = np.minimum(chest.diaphragm(z, y, x, LEFT), chest.diaphragm(z, y, x, RIGHT))
        walls = [chest.cage(z, y, x) + np.float32(1.0), -spine, domes + np.float32(3.0)]
        walls.append(np.float32(2.0) - side * x)
        return common(*walls, *(np.float32(1.0) - solid(z, y, x) for solid in solids), blend_mm=3.0)

    return distance


def _paint_hollow(canvas: Canvas, primary: Growth) -> None:
    """Air within a thick wall; the label keeps it."""
    wall_mm = np.float32(max(0.42 * primary.radius_mm, 3.5))
    canvas.paint(
        primary.box(canvas), lambda z, y, x: primary.distance(z, y, x) + wall_mm, tissue_hu.CAVITY_AIR
    )


def _paint_spicules(canvas: Canvas, primary: Growth, rng: np.random.Generator) -> None:
    """Fine strands that run out of the tumour into the lung; no physician draws them."""
    for _ in range(_SPICULES):
        course = rng.standard_normal(3)
        length = 1.15 * primary.radius_mm + rng.uniform(5.0, 13.0)
        end = np.asarray(primary.centre) + course / np.linalg.norm(course) * length
        paint_capsule(canvas, (primary.centre, tuple(end), 2.2, 0.5), _SPICULE_HU)


def _paint_atelectasis(
    canvas: Canvas, chest: Chest, side: int, primary: Growth, hu: float, rng: np.random.Generator
) -> None:
    """Collapsed lung behind the tumour as seen from the hilum: a wedge, hardly denser, no part of the GTV."""
    radius = primary.radius_mm
    tip = np.asarray(primary.centre, dtype="f4")
    outward = tip - np.asarray(chest.hilum(side))
    outward = outward / max(float(np.linalg.norm(outward)), 1e-6)
    courses = rng.standard_normal((64, 3))
    courses /= np.linalg.norm(courses, axis=1, keepdims=True)
    # The wedge needs lung to fill: depth in the lung counts, and the way outwards for 10 mm of it.
    z, y, x = (tip + (1.2 * radius + 15.0) * courses).T.astype("f4")
    course = courses[np.argmin(chest.lung(z, y, x, side) - 10.0 * (courses @ outward))].astype("f4")
    spread = np.float32(np.tan(np.deg2rad(rng.uniform(20.0, 30.0))))
    length = np.float32(radius + rng.uniform(35.0, 60.0))

    def wedge(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        dz, dy, dx = z - tip[0], y - tip[1], x - tip[2]
        along = dz * course[0] + dy * course[1] + dx * course[2]
        across = np.sqrt(np.maximum(dz * dz + dy * dy + dx * dx - along * along, 0.0))
        cone = (across - np.float32(0.5 * radius) - spread * along) * np.float32(0.85)
        return common(cone, -along, along - length, chest.lung(z, y, x, side) + np.float32(0.5), blend_mm=2.0)

    box = box_around(canvas, (primary.centre,), float(length) + 2.0 * radius)
    canvas.paint(box, wedge, hu + rng.uniform(8.0, 18.0))


def _central_node(chest: Chest, side: int, primary: Growth, rng: np.random.Generator) -> Growth:
    """A node beside the windpipe (station 4) or below the carina (station 7), away from the tumour."""
    level, back, _ = chest.carina
    places = [
        (level + rng.uniform(14.0, 44.0), back - rng.uniform(6.0, 12.0), side * 22.0),
        (level - rng.uniform(20.0, 26.0), back + 6.0, side * 11.0),
    ]
    centre = max(places, key=lambda place: float(np.linalg.norm(np.subtract(place, primary.centre))))
    return grow(centre, float(rng.uniform(2.0, 7.0)), _central_room(chest, side), rng, rough=0.08)


def _high_node(chest: Chest, side: int, rng: np.random.Generator) -> Growth:
    """A supraclavicular node: beside the neck, wholly above the lungs."""
    volume_ml = float(rng.uniform(2.0, 6.0))
    above_mm = 5.0 + 1.3 * radius_mm(volume_ml) + rng.uniform(0.0, 14.0)
    centre = (chest.height + above_mm, -16.0, side * 40.0)

    def above(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.float32(chest.height + 2.0) - z + np.zeros_like(y) + np.zeros_like(x)

    return grow(centre, volume_ml, above, rng, rough=0.06)
