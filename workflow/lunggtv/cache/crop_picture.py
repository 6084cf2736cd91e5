"""The picture of a crop: three planes of the scan with lungs, box and GTV, to be looked at in seconds."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lunggtv.geometry import Grid, Shape

PANEL_HEIGHT = 260
WIDEST_PANEL = 400
LINE_HEIGHT = 18
FONT_SIZE = 12
WIDEST_LETTER = 7  # pixels, of the common ones
GAP = 4
WINDOW_HU = (-1000.0, 300.0)
OUTLINE_WIDTH = 2
SCALE_BAR_MM = 50.0
# What the panels show, and the sides of the patient at their left, right, top and bottom.
PLANES = (("axial", "RLAP"), ("coronal", "RLHF"), ("sagittal", "APHF"))

# A palette instead of RGB: a third of the bytes, and every pixel says what it is.
GREYS = 64
LUNG_TINT = (86, 180, 233)
TINT_SHARE = 0.30
BACKGROUND, GTV, LOST, BOX, TEXT = range(2 * GREYS, 2 * GREYS + 5)
# Okabe and Ito (2008): told apart with any kind of colour vision.
COLOURS = {
    BACKGROUND: (0, 0, 0),
    GTV: (230, 159, 0),
    LOST: (213, 94, 0),
    BOX: (240, 228, 66),
    TEXT: (255, 255, 255),
}


@dataclass(frozen=True)
class Scene:
    """What is shown: a CT and perhaps its label on one grid, and the box in that grid's voxels.

    ``lungs`` (uint8) lies on a shrunken grid; ``factors`` are the CT's voxels in one of its voxels. ``frame``
    is the part of the CT that is drawn.
    """

    ct: np.ndarray
    grid: Grid
    box_start: Shape
    box_shape: Shape
    lungs: np.ndarray
    factors: tuple[int, int, int]
    label: np.ndarray | None
    frame: tuple[slice, slice, slice]


def draw_crop(scene: Scene, heading: str, remarks: Sequence[str]) -> Image.Image:
    """Axial, coronal and sagittal plane through the point of interest; below, a legend and the remarks."""
    lost = _lost(scene)
    point = _point_of_interest(scene, lost)
    panels, pixels_mm = zip(*(_panel(scene, lost, axis, point[axis]) for axis in range(3)), strict=True)
    width = sum(panel.width for panel in panels) + GAP * (len(panels) - 1)
    lines = [line for remark in remarks for line in textwrap.wrap(remark, width // WIDEST_LETTER)]
    picture = Image.new("P", (width, PANEL_HEIGHT + (2 + len(lines)) * LINE_HEIGHT), BACKGROUND)
    picture.putpalette(_palette())
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=FONT_SIZE)
    left = 0
    for panel, plane, pixels in zip(panels, PLANES, pixels_mm, strict=True):
        picture.paste(panel, (left, LINE_HEIGHT))
        _annotate(
            pen, font, (left, LINE_HEIGHT, left + panel.width, LINE_HEIGHT + PANEL_HEIGHT), plane, pixels
        )
        left += panel.width + GAP
    pen.text((4, 2), heading, fill=TEXT, font=font)
    top = LINE_HEIGHT + PANEL_HEIGHT
    left = 4
    for words, colour in _legend(lost):
        pen.rectangle((left, top + 5, left + 10, top + 12), fill=colour)
        pen.text((left + 14, top + 2), words, fill=TEXT, font=font)
        left += 26 + round(pen.textlength(words, font=font))
    for number, line in enumerate(lines, start=1):
        pen.text((4, top + number * LINE_HEIGHT + 1), line, fill=TEXT, font=font)
    return picture


def _lost(scene: Scene) -> np.ndarray | None:
    """The part of the label outside the box; ``None`` without a label."""
    if scene.label is None:
        return None
    lost = scene.label.copy()
    lost[tuple(slice(a, a + n) for a, n in zip(scene.box_start, scene.box_shape, strict=True))] = 0
    return lost


def _point_of_interest(scene: Scene, lost: np.ndarray | None) -> Shape:
    """Where the planes cross: the lost part of the GTV, else the GTV, else the lungs, else the middle.

    Of a mask the voxel in its fullest slice along each axis is taken, not the centre, which can lie between
    two lesions.
    """
    one = (1, 1, 1)
    for mask, factors in ((lost, one), (scene.label, one), (scene.lungs, scene.factors)):
        if mask is not None and mask.any():
            fullest = (np.argmax(np.count_nonzero(mask, axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
            z, y, x = (int(i) * f + f // 2 for i, f in zip(fullest, factors, strict=True))
            return (z, y, x)
    z, y, x = (n // 2 for n in scene.grid.shape)
    return (z, y, x)


def _annotate(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    frame: tuple[int, int, int, int],
    plane: tuple[str, str],
    pixels_mm: float,
) -> None:
    """Name and sides of a plane, and a scale bar; ``frame``: left, top, right, bottom of the panel."""
    left, top, right, bottom = frame
    name, sides = plane
    middle, height = (left + right) // 2, (top + bottom) // 2
    length = round(SCALE_BAR_MM * pixels_mm)
    texts = [
        ((left + 4, top + 3), name, "la"),
        ((left + 4, height), sides[0], "lm"),
        ((right - 4, height), sides[1], "rm"),
        ((middle, top + 3), sides[2], "ma"),
        ((middle, bottom - 4), sides[3], "ms"),
        ((right - 6 - length // 2, bottom - 12), f"{SCALE_BAR_MM:g} mm", "ms"),
    ]
    for place, text, anchor in texts:
        pen.rectangle(pen.textbbox(place, text, font=font, anchor=anchor), fill=BACKGROUND)
        pen.text(place, text, fill=TEXT, font=font, anchor=anchor)
    pen.rectangle((right - 7 - length, bottom - 10, right - 5, bottom - 5), fill=BACKGROUND)
    pen.rectangle((right - 6 - length, bottom - 9, right - 6, bottom - 6), fill=TEXT)


def _panel(scene: Scene, lost: np.ndarray | None, axis: int, index: int) -> tuple[Image.Image, float]:
    """One plane of the frame as palette indices, the head up, drawn to scale; and its pixels per mm."""
    axes = tuple(other for other in range(3) if other != axis)
    rows, columns = (scene.frame[other] for other in axes)
    extents_mm = [
        (part.stop - part.start) * scene.grid.spacing_mm[other]
        for part, other in zip((rows, columns), axes, strict=True)
    ]
    scale = min(PANEL_HEIGHT / extents_mm[0], WIDEST_PANEL / extents_mm[1])
    size = (max(1, round(extents_mm[1] * scale)), max(1, round(extents_mm[0] * scale)))
    step = -1 if axes[0] == 0 else 1

    def drawn(plane: np.ndarray) -> np.ndarray:
        return plane[rows, columns][::step]

    low, high = WINDOW_HU
    plane = drawn(scene.ct.take(index, axis=axis)).astype(np.float32)
    grey = np.clip((plane - low) * (255.0 / (high - low)), 0.0, 255.0).astype(np.uint8)
    levels = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX)) // (256 // GREYS)
    levels = levels + GREYS * _resized(drawn(_lung_plane(scene, axis, index)), size)
    for mask, colour in ((scene.label, GTV), (lost, LOST)):
        if mask is not None:
            levels[_outline(_resized(drawn(mask.take(index, axis=axis)), size))] = colour
    panel = Image.new("L", (size[0], PANEL_HEIGHT), BACKGROUND)
    plane_image = Image.fromarray(levels.astype(np.uint8))
    ImageDraw.Draw(plane_image).rectangle(_corners(scene, axes, scale, size, step), outline=BOX)
    panel.paste(plane_image, (0, (PANEL_HEIGHT - size[1]) // 2))
    return panel, scale


def _corners(
    scene: Scene, axes: tuple[int, ...], scale: float, size: tuple[int, int], step: int
) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the box in a panel's pixels."""
    ends = []
    for axis in axes:
        low = scene.box_start[axis] - scene.frame[axis].start
        pixel = scene.grid.spacing_mm[axis] * scale
        ends.append((low * pixel, (low + scene.box_shape[axis]) * pixel))
    (top, bottom), (left, right) = ends
    width, height = size
    if step < 0:
        top, bottom = height - bottom, height - top
    return (
        max(0, round(left)),
        max(0, round(top)),
        min(width - 1, round(right)),
        min(height - 1, round(bottom)),
    )


def _lung_plane(scene: Scene, axis: int, index: int) -> np.ndarray:
    """The lungs in one plane, padded to the CT's extent: the shrunken grid may end some voxels before it."""
    last = scene.lungs.shape[axis] - 1
    plane = scene.lungs.take(min(index // scene.factors[axis], last), axis=axis)
    others = [other for other in range(3) if other != axis]
    for position, other in enumerate(others):
        plane = np.repeat(plane, scene.factors[other], axis=position)
    missing = [scene.ct.shape[other] - have for other, have in zip(others, plane.shape, strict=True)]
    return np.pad(plane, [(0, max(0, n)) for n in missing])


def _resized(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask's plane at picture size, 0 and 1."""
    grey = Image.fromarray((plane > 0).astype(np.uint8) * 255)
    return (np.asarray(grey.resize(size, Image.Resampling.BILINEAR)) >= 128).astype(np.uint8)


def _outline(mask: np.ndarray) -> np.ndarray:
    """The outermost pixels of a mask, ``OUTLINE_WIDTH`` deep."""
    inner = mask.astype(bool)
    for _ in range(OUTLINE_WIDTH):
        framed = np.pad(inner, 1)
        inner = inner & framed[:-2, 1:-1] & framed[2:, 1:-1] & framed[1:-1, :-2] & framed[1:-1, 2:]
    return mask.astype(bool) & ~inner


def _legend(lost: np.ndarray | None) -> list[tuple[str, int]]:
    """Colours and their meaning; the window stands last, without a colour of its own."""
    words = [("lungs", GREYS + GREYS // 2), ("box", BOX)]
    if lost is not None:
        words.append(("GTV (label)", GTV))
        if lost.any():
            words.append(("GTV outside the box", LOST))
    return [*words, (f"window {WINDOW_HU[0]:g} to {WINDOW_HU[1]:g} HU", BACKGROUND)]


def _palette() -> list[int]:
    greys = [(level * 255 // (GREYS - 1),) * 3 for level in range(GREYS)]
    tinted = [
        tuple(round((1 - TINT_SHARE) * grey + TINT_SHARE * tint) for tint in LUNG_TINT)
        for grey, _, _ in greys
    ]
    return [value for colour in (*greys, *tinted, *COLOURS.values()) for value in colour]
