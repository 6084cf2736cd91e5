"""The box around the lungs: where it lies, whether the lungs are plausible, and what to do if not.

Takes lungs and body, never the label: what decides here must work for patients who have none.
"""

from dataclasses import dataclass

import numpy as np

from lunggtv.cache.lungs import Lungs
from lunggtv.cache.settings import Margins
from lunggtv.geometry import Shape, Triple

# Extents of both lungs together, z, y, x. Fifty public planning CTs: 185-330, 138-232, 200-283 mm.
PLAUSIBLE_MM = ((150.0, 360.0), (120.0, 260.0), (170.0, 320.0))
PLAUSIBLE_SIDE_ML = 500.0
# Below this share of the other lung, one counts as collapsed, drowned or missing.
MUCH_SMALLER = 0.5
AXES = ("z", "y", "x")

Range = tuple[int, int]


@dataclass(frozen=True)
class Warned:
    """Something to look at: ``code`` for programs, ``text`` for people."""

    code: str
    text: str


@dataclass(frozen=True)
class Crop:
    """The box in voxels (z, y, x) of the CT, and why it is as it is.

    ``lungs_mm`` is the extent (z, y, x) of the lungs found, zeros if none; ``symmetric`` says that one lung
    stood for both; ``fallback_reason`` is ``None`` unless the body's box had to be taken.
    """

    start: Shape
    shape: Shape
    lungs_mm: Triple
    sides_ml: tuple[float, float]
    symmetric: bool
    fallback_reason: str | None
    warnings: tuple[Warned, ...]


def choose_crop(
    lungs: Lungs, factors: tuple[int, int, int], shape: Shape, spacing_mm: Triple, margins: Margins
) -> Crop:
    """The lungs' box with its margins, or the body's box where the lungs are implausible.

    Args:
        lungs: on the shrunken grid.
        factors: voxels of the CT along z, y and x in one voxel of the shrunken grid.
        shape, spacing_mm: of the CT.
        margins: how far to reach beyond the lungs.
    """
    right_ml, left_ml = lungs.sides_ml
    found = _extent(lungs.mask, factors)
    if found is None:
        reason = "no lungs were found"
        return _body_crop(lungs, factors, shape, (0.0, 0.0, 0.0), reason)
    lungs_mm = _extents_mm(found, spacing_mm)
    smaller, larger = sorted((right_ml, left_ml))
    symmetric = smaller < MUCH_SMALLER * larger
    ranges = list(found)
    if symmetric:
        ranges[2] = _mirrored(found[2], (lungs.midline_vox + 0.5) * factors[2])
    reason = _implausible(_extents_mm(ranges, spacing_mm), (right_ml, left_ml), symmetric)
    if reason is not None:
        return _body_crop(lungs, factors, shape, lungs_mm, reason)
    start, stop = [], []
    for axis, (low, high) in enumerate(ranges):
        start.append(max(0, int(np.floor(low - margins.low_mm[axis] / spacing_mm[axis]))))
        stop.append(min(shape[axis], int(np.ceil(high + margins.high_mm[axis] / spacing_mm[axis]))))
    warnings = _warnings(found[0], shape[0], (right_ml, left_ml), symmetric)
    return Crop(
        tuple(start), tuple(b - a for a, b in zip(start, stop, strict=True)), lungs_mm, (right_ml, left_ml),
        symmetric, None, warnings,
    )  # fmt: skip


def _extent(mask: np.ndarray, factors: tuple[int, int, int]) -> tuple[Range, Range, Range] | None:
    """First and past-the-last voxel of the CT along each axis; ``None`` for an empty mask."""
    ranges = []
    for axis, factor in enumerate(factors):
        others = tuple(other for other in range(3) if other != axis)
        hit = np.flatnonzero(mask.any(axis=others))
        if hit.size == 0:
            return None
        ranges.append((int(hit[0]) * factor, (int(hit[-1]) + 1) * factor))
    return (ranges[0], ranges[1], ranges[2])


def _extents_mm(ranges, spacing_mm: Triple) -> Triple:
    z, y, x = ((high - low) * step for (low, high), step in zip(ranges, spacing_mm, strict=True))
    return (z, y, x)


def _mirrored(found: Range, midline: float) -> Range:
    """The range about the midline that holds the found one; may leave the volume."""
    half = max(midline - found[0], found[1] - midline)
    return int(np.floor(midline - half)), int(np.ceil(midline + half))


def _implausible(extents_mm: Triple, sides_ml: tuple[float, float], symmetric: bool) -> str | None:
    """Why the lungs cannot be believed; ``None`` if they can."""
    for name, mm, (least, most) in zip(AXES, extents_mm, PLAUSIBLE_MM, strict=True):
        if not least <= mm <= most:
            return f"the lungs found measure {mm:.0f} mm along {name}; plausible are {least:.0f} to {most:.0f} mm"
    decisive_ml = max(sides_ml) if symmetric else min(sides_ml)
    if decisive_ml < PLAUSIBLE_SIDE_ML:
        right, left = sides_ml
        return f"the lungs found hold {right:.0f} ml (right) and {left:.0f} ml (left); too little to be lungs"
    return None


def _body_crop(
    lungs: Lungs, factors: tuple[int, int, int], shape: Shape, lungs_mm: Triple, reason: str
) -> Crop:
    """The body's box, one shrunken voxel wider on each side; the whole volume if there is no body."""
    ranges = _extent(lungs.body, factors) or tuple((0, n) for n in shape)
    start = tuple(max(0, low - factor) for (low, _), factor in zip(ranges, factors, strict=True))
    stop = [min(n, high + factor) for (_, high), factor, n in zip(ranges, factors, shape, strict=True)]
    extent = tuple(b - a for a, b in zip(start, stop, strict=True))
    return Crop(start, extent, lungs_mm, lungs.sides_ml, False, reason, ())


def _warnings(
    found_z: Range, slices: int, sides_ml: tuple[float, float], symmetric: bool
) -> tuple[Warned, ...]:
    warnings = []
    if symmetric:
        side = "right" if sides_ml[0] < sides_ml[1] else "left"
        text = f"the {side} lung holds {min(sides_ml):.0f} ml against {max(sides_ml):.0f} ml; the box is made symmetric"
        warnings.append(Warned("one_lung_small", text))
    ends = [name for name, cut in (("first", found_z[0] == 0), ("last", found_z[1] >= slices)) if cut]
    if ends:
        text = f"the lungs reach the {' and the '.join(ends)} slice: the scan may end inside them"
        warnings.append(Warned("lungs_truncated", text))
    return tuple(warnings)
