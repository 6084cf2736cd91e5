"""The box around the lungs: where it lies, whether the lungs are plausible, and what to do if not.

Takes lungs and body, never the label: what decides here must work for patients who have none.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lunggtv.boxes import box_of
from lunggtv.cache.cache_settings import Margins
from lunggtv.cache.lungs import Lungs
from lunggtv.geometry import Shape, Triple, three_of

# Extents of both lungs together, z, y, x. Fifty public planning CTs: 185-330, 138-232, 200-283 mm.
PLAUSIBLE_MM = ((150.0, 360.0), (120.0, 260.0), (170.0, 320.0))
PLAUSIBLE_SIDE_ML = 500.0
# Below this share of the other lung, one counts as collapsed, drowned or missing.
MUCH_SMALLER = 0.5
AXES = ("z", "y", "x")

Range = tuple[int, int]
Ranges = tuple[Range, Range, Range]


@dataclass(frozen=True)
class Remark:
    """Something to look at: ``code`` for programs, ``text`` for people."""

    code: str
    text: str


@dataclass(frozen=True)
class Crop:
    """The box in voxels (z, y, x) of the CT, and why it is as it is.

    ``lungs_mm`` is the extent (z, y, x) of the lungs found, zeros if none; ``sides_ml`` their volume right and
    left; ``symmetric`` says that one lung stood for both; ``fallback_reason`` is ``None`` unless the body's
    box had to be taken.
    """

    start: Shape
    shape: Shape
    lungs_mm: Triple
    sides_ml: tuple[float, float]
    symmetric: bool
    fallback_reason: str | None
    warnings: tuple[Remark, ...]


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
    sides_ml = lungs.sides_ml
    symmetric = min(sides_ml) < MUCH_SMALLER * max(sides_ml)
    found = _extent(lungs.mask, factors)
    reason: str | None
    if found is None:
        lungs_mm, reason = (0.0, 0.0, 0.0), "no lungs were found"
    else:
        lungs_mm = _extents_mm(found, spacing_mm)
        x_range = _mirrored(found[2], (lungs.midline_vox + 0.5) * factors[2]) if symmetric else found[2]
        wanted = (found[0], found[1], x_range)
        reason = _implausible(_extents_mm(wanted, spacing_mm), sides_ml, symmetric)
    if found is None or reason is not None:
        start, size = body_box(lungs.body, factors, shape)
        return Crop(start, size, lungs_mm, sides_ml, False, reason, ())
    start, size = _with_margins(wanted, shape, spacing_mm, margins)
    warnings = _warnings(found[0], shape[0], factors[0], sides_ml, symmetric)
    return Crop(start, size, lungs_mm, sides_ml, symmetric, None, tuple(warnings))


def body_box(body: np.ndarray, factors: tuple[int, int, int], shape: Shape) -> tuple[Shape, Shape]:
    """Start and shape of the body's box in voxels of the CT; the whole volume if there is no body.

    It reaches two shrunken voxels beyond the body: one for skin that half fills a voxel, one for the voxels
    behind the last whole block.
    """
    ranges = _extent(body, factors)
    if ranges is None:
        return (0, 0, 0), shape
    start = three_of(max(0, low - 2 * factor) for (low, _), factor in zip(ranges, factors, strict=True))
    stop = [min(n, high + 2 * factor) for (_, high), factor, n in zip(ranges, factors, shape, strict=True)]
    return start, three_of(b - a for a, b in zip(start, stop, strict=True))


def _extent(mask: np.ndarray, factors: tuple[int, int, int]) -> Ranges | None:
    """First and past-the-last voxel of the CT along each axis; ``None`` for an empty mask."""
    box = box_of(mask)
    if box is None:
        return None
    return three_of(
        (side.start * factor, side.stop * factor) for side, factor in zip(box, factors, strict=True)
    )


def _extents_mm(ranges: Ranges, spacing_mm: Triple) -> Triple:
    return three_of((high - low) * step for (low, high), step in zip(ranges, spacing_mm, strict=True))


def _mirrored(found: Range, midline: float) -> Range:
    """The range about the midline that holds the found one; may leave the volume."""
    half = max(midline - found[0], found[1] - midline)
    return int(np.floor(midline - half)), int(np.ceil(midline + half))


def _with_margins(ranges: Ranges, shape: Shape, spacing_mm: Triple, margins: Margins) -> tuple[Shape, Shape]:
    start, size = [], []
    for (low, high), count, step, low_mm, high_mm in zip(
        ranges, shape, spacing_mm, margins.low_mm, margins.high_mm, strict=True
    ):
        first = max(0, int(np.floor(low - low_mm / step)))
        start.append(first)
        size.append(min(count, int(np.ceil(high + high_mm / step))) - first)
    return (start[0], start[1], start[2]), (size[0], size[1], size[2])


def _implausible(extents_mm: Triple, sides_ml: tuple[float, float], symmetric: bool) -> str | None:
    """Why the lungs cannot be believed; ``None`` if they can."""
    for name, mm, (least, most) in zip(AXES, extents_mm, PLAUSIBLE_MM, strict=True):
        if not least <= mm <= most:
            return f"the lungs found measure {mm:.0f} mm along {name}, not {least:.0f} to {most:.0f} mm"
    decisive_ml = max(sides_ml) if symmetric else min(sides_ml)
    if decisive_ml < PLAUSIBLE_SIDE_ML:
        right, left = sides_ml
        return f"the lungs found hold only {right:.0f} ml (right) and {left:.0f} ml (left)"
    return None


def _warnings(
    found_z: Range, slices: int, factor: int, sides_ml: tuple[float, float], symmetric: bool
) -> Iterator[Remark]:
    if symmetric:
        right_ml, left_ml = sides_ml
        side = "right" if right_ml < left_ml else "left"
        text = f"the {side} lung holds {min(sides_ml):.0f} ml, the other {max(sides_ml):.0f} ml: the box is symmetric"
        yield Remark("one_lung_small", text)
    # Slices behind the last whole block are not part of the shrunken copy.
    ends = [name for name, cut in (("first", found_z[0] == 0), ("last", found_z[1] > slices - factor)) if cut]
    if ends:
        text = f"the lungs reach the {' and the '.join(ends)} slice: the scan may end inside them"
        yield Remark("lungs_truncated", text)
