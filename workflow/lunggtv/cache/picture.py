"""The picture of a crop: three planes of the whole scan with lungs, box and GTV, to be looked at in seconds."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lunggtv.geometry import Grid, Shape

PANEL_HEIGHT = 260
WIDEST_PANEL = 400
TEXT_HEIGHT = 18
GAP = 4
WINDOW_HU = (-1000.0, 300.0)

# A palette instead of RGB: a third of the bytes, and every pixel says what it is.
GREYS = 64
LUNG_TINT = (86, 180, 233)
TINT_SHARE = 0.30
BACKGROUND, GTV, BOX, LOST, TEXT = range(2 * GREYS, 2 * GREYS + 5)
# Okabe and Ito (2008): told apart with any kind of colour vision.
COLOURS = {
    BACKGROUND: (0, 0, 0),
    GTV: (230, 159, 0),
    BOX: (240, 228, 66),
    LOST: (213, 94, 0),
    TEXT: (255, 255, 255),
}


@dataclass(frozen=True)
class Scene:
    """What is shown: a CT and perhaps its label on one grid, and the box in that grid's voxels.

    ``lungs`` (uint8) lies on a shrunken grid; ``factors`` are the CT's voxels in one of its voxels.
    """

    ct: np.ndarray
    grid: Grid
    box_start: Shape
    box_shape: Shape
    lungs: np.ndarray
    factors: tuple[int, int, int]
    label: np.ndarray | None


def draw_crop(scene: Scene, heading: str) -> Image.Image:
    """Axial, coronal and sagittal plane through the point of interest, with a heading and a legend."""
    point = point_of_interest(scene)
    panels = [_panel(scene, axis, point[axis]) for axis in range(3)]
    width = sum(panel.width for panel in panels) + GAP * (len(panels) - 1)
    picture = Image.new("P", (width, PANEL_HEIGHT + 2 * TEXT_HEIGHT), BACKGROUND)
    picture.putpalette(_palette())
    left = 0
    for panel in panels:
        picture.paste(panel, (left, TEXT_HEIGHT))
        left += panel.width + GAP
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=12)
    pen.text((4, 2), heading, fill=TEXT, font=font)
    left = 4
    for words, colour in _legend(scene):
        pen.rectangle(
            (left, PANEL_HEIGHT + TEXT_HEIGHT + 5, left + 10, PANEL_HEIGHT + TEXT_HEIGHT + 12), fill=colour
        )
        pen.text((left + 14, PANEL_HEIGHT + TEXT_HEIGHT + 2), words, fill=TEXT, font=font)
        left += 24 + round(pen.textlength(words, font=font))
    return picture


def point_of_interest(scene: Scene) -> tuple[int, int, int]:
    """Where the planes cross: the lost part of the GTV, else the GTV, else the lungs, else the middle.

    Of a mask the voxel in its fullest slice along each axis is taken, not the centre, which can lie between
    two lesions.
    """
    one = (1, 1, 1)
    for mask, factors in ((_lost(scene), one), (scene.label, one), (scene.lungs, scene.factors)):
        if mask is not None and mask.any():
            fullest = (np.argmax(np.count_nonzero(mask, axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
            z, y, x = (int(i) * f + f // 2 for i, f in zip(fullest, factors, strict=True))
            return (z, y, x)
    z, y, x = (n // 2 for n in scene.grid.shape)
    return (z, y, x)


def _lost(scene: Scene) -> np.ndarray | None:
    if scene.label is None:
        return None
    outside = scene.label.copy()
    outside[tuple(slice(a, a + n) for a, n in zip(scene.box_start, scene.box_shape, strict=True))] = 0
    return outside


def _panel(scene: Scene, axis: int, index: int) -> Image.Image:
    rows, columns = (other for other in range(3) if other != axis)
    heights_mm = [scene.grid.shape[a] * scene.grid.spacing_mm[a] for a in (rows, columns)]
    scale = min(PANEL_HEIGHT / heights_mm[0], WIDEST_PANEL / heights_mm[1])
    size = (max(1, round(heights_mm[1] * scale)), max(1, round(heights_mm[0] * scale)))
    # Rows grow downwards: the head is up in coronal and sagittal planes.
    up = slice(None, None, -1) if rows == 0 else slice(None)
    low, high = WINDOW_HU
    plane = scene.ct.take(index, axis=axis)[up].astype(np.float32)
    grey = np.clip((plane - low) * (255.0 / (high - low)), 0.0, 255.0).astype(np.uint8)
    levels = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX)) // (256 // GREYS)
    levels = levels + GREYS * _resized(_lung_plane(scene, axis, index)[up], size)
    if scene.label is not None:
        plane = scene.label.take(index, axis=axis)[up]
        levels[_outline(_resized(plane, size))] = GTV
    image = Image.fromarray(levels.astype(np.uint8))
    canvas = Image.new("L", (size[0], PANEL_HEIGHT), BACKGROUND)
    top = (PANEL_HEIGHT - size[1]) // 2
    canvas.paste(image, (0, top))
    _draw_box(canvas, scene, (rows, columns), scale, (top, size))
    return canvas


def _lung_plane(scene: Scene, axis: int, index: int) -> np.ndarray:
    """The lungs in one plane, padded to the CT's extent: the shrunken grid may end some voxels before it."""
    last = scene.lungs.shape[axis] - 1
    plane = scene.lungs.take(min(index // scene.factors[axis], last), axis=axis)
    for position, other in enumerate(a for a in range(3) if a != axis):
        plane = np.repeat(plane, scene.factors[other], axis=position)
    full = [n for a, n in enumerate(scene.ct.shape) if a != axis]
    return np.pad(plane, [(0, n - have) for n, have in zip(full, plane.shape, strict=True)])


def _draw_box(canvas: Image.Image, scene: Scene, axes: tuple[int, int], scale: float, frame) -> None:
    rows, columns = axes
    top, (width, height) = frame
    ends = []
    for axis in (rows, columns):
        step = scene.grid.spacing_mm[axis] * scale
        ends.append((scene.box_start[axis] * step, (scene.box_start[axis] + scene.box_shape[axis]) * step))
    (row_low, row_high), (column_low, column_high) = ends
    if rows == 0:
        row_low, row_high = height - row_high, height - row_low
    corners = (
        max(0, round(column_low)), top + max(0, round(row_low)),
        min(width - 1, round(column_high)), top + min(height - 1, round(row_high)),
    )  # fmt: skip
    ImageDraw.Draw(canvas).rectangle(corners, outline=BOX)


def _resized(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask's plane at picture size, 0 and 1."""
    grey = Image.fromarray((plane > 0).astype(np.uint8) * 255)
    return (np.asarray(grey.resize(size, Image.Resampling.BILINEAR)) >= 128).astype(np.uint8)


def _outline(mask: np.ndarray) -> np.ndarray:
    """Voxels of the mask that touch a voxel outside by a side, and the ring around them."""
    padded = np.pad(mask.astype(bool), 1)
    near = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask.astype(bool) & ~near


def _legend(scene: Scene) -> list[tuple[str, int]]:
    words = [("lungs", GREYS + GREYS // 2), ("box", BOX)]
    return words if scene.label is None else [*words, ("GTV (label)", GTV)]


def _palette() -> list[int]:
    greys = [(level * 255 // (GREYS - 1),) * 3 for level in range(GREYS)]
    tinted = [
        tuple(round((1 - TINT_SHARE) * grey + TINT_SHARE * tint) for tint in LUNG_TINT)
        for (grey, _, _) in greys
    ]
    return [value for colour in (*greys, *tinted, *COLOURS.values()) for value in colour]
