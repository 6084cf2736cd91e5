"""Lungs found by classical means on a shrunken copy of the CT: no weights, no learning, no label.

The recipe, on voxels of 3 to 4 mm:

1. Body: the largest piece of tissue after an opening in plane, which cuts off couch, masks and cables.
2. Inside: tissue of the body lies in front, behind, left and right within the slice. Unlike filling holes
   this bears a thin or leaking chest wall, a wall cut by the field of view, and an open airway.
3. Seeds: dark voxels inside without the upper trachea, eroded in plane so far that other airways and the thin
   junction of both lungs vanish. A seed is lung by its size, shape, density and height: gas of stomach and
   bowel is darker than any lung and lies low, the foam of a couch is flat and wide.
4. Lungs: the seeds grown back within the dark voxels, far enough for the thin recesses at the bases, not far
   enough to climb what is left of the trachea. That gives their top and bottom; between them all dark voxels
   that hang together with a seed are lung. Closed in plane in the end, which takes in vessels and small
   tumours.
"""

from dataclasses import dataclass

import numpy as np

from lunggtv.boxes import box_of, size_of
from lunggtv.cache.morphology import dilate_in_plane, dilate_within, erode_in_plane
from lunggtv.geometry import Triple, voxel_volume_ml
from lunggtv.mask_parts import label_in_slices, label_parts, largest_part, part_boxes

TISSUE_HU = -500.0
LUNG_BELOW_HU = -320.0
# Whole lungs have a mean of -915 HU at their emptiest in our data, gas in a gut -1000 to -955. A seed as large
# as a lung alone is called gas only if it is as dark as free air.
GAS_BELOW_HU = -945.0
FREE_AIR_BELOW_HU = -975.0
LARGE_SEED_ML = 800.0

# What is thinner than twice this is couch or mask rather than body; thinner walls of the body are regrown.
OPENING_MM = 4.0
THIN_WALL_MM = 12.0
VESSEL_MM = 4.0
EROSION_MM = 12.0
REGROWTH_MM = 50.0

AIRWAY_BELOW_HU = -700.0
LARGEST_AIRWAY_CM2 = 6.0
AIRWAY_DEPTH_MM = 60.0
AIRWAY_WALL_MM = 7.0
CLOSING_MM = 12.0

# Smaller seeds count only off the midline, where no windpipe or gullet is.
SMALLEST_SEED_ML = 3.0
SMALLEST_MIDLINE_SEED_ML = 60.0
MIDLINE_MM = 30.0
LARGEST_SEED_MM = (380.0, 280.0, 340.0)
FLAT_MM = 45.0
# A seed whose top lies in the lowest part of the largest lung is gas below the diaphragm.
LOWEST_TOP = 0.35


@dataclass(frozen=True)
class Lungs:
    """Lungs and body on the shrunken grid (bool, z y x), and the column of the body's midline."""

    mask: np.ndarray
    body: np.ndarray
    spacing_mm: Triple
    midline_vox: float

    @property
    def sides_ml(self) -> tuple[float, float]:
        """Volume right and left of the midline, in ml."""
        split = round(self.midline_vox + 0.5)
        voxel_ml = voxel_volume_ml(self.spacing_mm)
        right, left = self.mask[:, :, :split], self.mask[:, :, split:]
        return float(right.sum()) * voxel_ml, float(left.sum()) * voxel_ml


def find_lungs(hu: np.ndarray, spacing_mm: Triple) -> Lungs:
    """Find the lungs in a shrunken CT; an empty mask where there are none.

    Args:
        hu: float32 HU (z, y, x) from ``shrink``.
        spacing_mm: of ``hu``.
    """
    body = _find_body(hu, spacing_mm)
    mask = np.zeros_like(body)
    place = box_of(body)
    if place is not None:
        mask[place] = _lungs_of_body(hu[place], body[place], spacing_mm)
    return Lungs(mask, body, spacing_mm, _midline(body, mask))


def given_lungs(mask: np.ndarray, hu: np.ndarray, spacing_mm: Triple) -> Lungs:
    """Lungs that somebody else drew: ``mask`` (bool) on the shrunken grid of ``hu``."""
    body = _find_body(hu, spacing_mm)
    return Lungs(mask, body, spacing_mm, _midline(body, mask))


def _find_body(hu: np.ndarray, spacing_mm: Triple) -> np.ndarray:
    tissue = _largest_tissue(hu > TISSUE_HU, spacing_mm)
    return tissue | _surrounded(tissue)


def _lungs_of_body(hu: np.ndarray, body: np.ndarray, spacing_mm: Triple) -> np.ndarray:
    dark = (hu < LUNG_BELOW_HU) & body
    midline_vox = _midline(body, dark)
    dark &= ~_airway(hu, dark, midline_vox, spacing_mm)
    # Vessels would tear a lung to shreds before the erosion.
    whole = dilate_in_plane(dark, VESSEL_MM, spacing_mm)
    eroded = erode_in_plane(whole, VESSEL_MM + EROSION_MM, spacing_mm) & dark
    seeds = _choose_seeds(eroded, hu, midline_vox, spacing_mm)
    if not seeds.any():
        return seeds
    return _close_sides(_regrow(seeds, dark, spacing_mm), midline_vox, spacing_mm) & body


def _largest_tissue(tissue: np.ndarray, spacing_mm: Triple) -> np.ndarray:
    """The largest connected piece that an opening leaves, and the thin walls next to it."""
    # Beyond the volume the body goes on: a wall cut by the field of view is not thin.
    opened = erode_in_plane(tissue, OPENING_MM, spacing_mm, beyond=True)
    return dilate_in_plane(largest_part(opened), OPENING_MM + THIN_WALL_MM, spacing_mm, within=tissue)


def _surrounded(tissue: np.ndarray) -> np.ndarray:
    """Voxels with tissue before and behind them along y and along x, in the same slice.

    Where the field of view cuts the body, the volume's border between the first and the last tissue on it
    stands for the missing wall.
    """
    walls = tissue.copy()
    for border in (np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]):
        walls[border] = _between(tissue[border], axis=1)
    return _between(walls, axis=1) & _between(walls, axis=2)


def _between(tissue: np.ndarray, axis: int) -> np.ndarray:
    """Voxels from the first to the last tissue along an axis."""
    before = np.logical_or.accumulate(tissue, axis=axis)
    return before & np.flip(np.logical_or.accumulate(np.flip(tissue, axis), axis=axis), axis)


def _choose_seeds(eroded: np.ndarray, hu: np.ndarray, midline_vox: float, spacing_mm: Triple) -> np.ndarray:
    """Those connected pieces of ``eroded`` that are lung."""
    labels, count = label_parts(eroded)
    if count == 0:
        return eroded
    sizes_vox = np.bincount(labels.ravel())[1:]
    volumes_ml = sizes_vox * voxel_volume_ml(spacing_mm)
    means_hu = np.bincount(labels.ravel(), hu.ravel())[1:] / sizes_vox
    places = part_boxes(labels)
    lungs = []
    for i, place in enumerate(places):
        off_midline_mm = abs((place[2].start + place[2].stop - 1) / 2.0 - midline_vox) * spacing_mm[2]
        smallest_ml = SMALLEST_SEED_ML if off_midline_mm > MIDLINE_MM else SMALLEST_MIDLINE_SEED_ML
        gas_below_hu = GAS_BELOW_HU if volumes_ml[i] < LARGE_SEED_ML else FREE_AIR_BELOW_HU
        if volumes_ml[i] >= smallest_ml and means_hu[i] > gas_below_hu and _has_lung_size(place, spacing_mm):
            lungs.append(i)
    if not lungs:
        return np.zeros_like(eroded)
    largest = places[max(lungs, key=lambda i: volumes_ml[i])][0]
    lowest_top = largest.start + LOWEST_TOP * (largest.stop - largest.start)
    return np.isin(labels, [i + 1 for i in lungs if places[i][0].stop > lowest_top])


def _has_lung_size(place: tuple[slice, ...], spacing_mm: Triple) -> bool:
    extents_mm = [count * step for count, step in zip(size_of(place), spacing_mm, strict=True)]
    flat = extents_mm[1] < FLAT_MM and extents_mm[2] > 4.0 * FLAT_MM
    return not flat and all(mm <= most for mm, most in zip(extents_mm, LARGEST_SEED_MM, strict=True))


def _airway(hu: np.ndarray, dark: np.ndarray, midline_vox: float, spacing_mm: Triple) -> np.ndarray:
    """The upper trachea: small dark spots near the midline, stacked up to the apices or higher, and its wall.

    It alone could carry the lungs' top to the neck; what lies deeper than ``AIRWAY_DEPTH_MM`` below the
    highest large spot (a lung) is left, because recesses of the lungs look like airways there.
    """
    labels, count = label_in_slices(dark & (hu < AIRWAY_BELOW_HU))
    areas_vox = np.bincount(labels.ravel(), minlength=count + 1)
    columns = np.broadcast_to(np.arange(hu.shape[2], dtype=float), hu.shape)
    middles_vox = np.bincount(labels.ravel(), columns.ravel(), minlength=count + 1) / areas_vox
    small = areas_vox * (spacing_mm[1] * spacing_mm[2] / 100.0) <= LARGEST_AIRWAY_CM2
    small[0] = True
    with_lung = np.flatnonzero((~small)[labels].any(axis=(1, 2)))
    spot = small & (np.abs(middles_vox - midline_vox) * spacing_mm[2] <= MIDLINE_MM)
    spot[0] = False
    if with_lung.size == 0:
        return np.zeros_like(dark)
    lung_top = int(with_lung[-1])
    tubes, _ = label_parts(spot[labels])
    tubes[: max(0, lung_top - round(AIRWAY_DEPTH_MM / spacing_mm[0]))] = 0
    high = np.unique(tubes[lung_top:])
    return dilate_in_plane(np.isin(tubes, high[high > 0]), AIRWAY_WALL_MM, spacing_mm) & dark


def _regrow(seeds: np.ndarray, dark: np.ndarray, spacing_mm: Triple) -> np.ndarray:
    """Lungs from their seeds: how high and how low they reach, then all that hangs together between."""
    steps = max(1, round(REGROWTH_MM / max(spacing_mm)))
    reach = box_of(dilate_within(seeds, dark, steps))
    if reach is None:
        return np.zeros_like(dark)
    window = np.zeros_like(dark)
    window[reach[0]] = dark[reach[0]]
    labels, _ = label_parts(window)
    return np.isin(labels, np.unique(labels[seeds]))


def _close_sides(mask: np.ndarray, midline_vox: float, spacing_mm: Triple) -> np.ndarray:
    """Closing in plane, right and left of the midline apart, so that the mediastinum stays open."""
    split = round(midline_vox + 0.5)
    steps = max(1, round(CLOSING_MM / spacing_mm[1]))
    closed = np.empty_like(mask)
    for side in (np.s_[:, :, :split], np.s_[:, :, split:]):
        # The frame of empty voxels keeps the edge of the array from eroding the mask.
        framed = np.pad(mask[side], ((0, 0), (steps, steps), (steps, steps)))
        framed = dilate_in_plane(framed, CLOSING_MM, spacing_mm)
        framed = erode_in_plane(framed, CLOSING_MM, spacing_mm)
        closed[side] = framed[:, steps:-steps, steps:-steps]
    return closed


def _midline(body: np.ndarray, mask: np.ndarray) -> float:
    """Median over slices of the body's middle, in the slices with lung (all if there is none)."""
    slices = np.flatnonzero(mask.any(axis=(1, 2)) if mask.any() else body.any(axis=(1, 2)))
    if slices.size == 0:
        return (body.shape[2] - 1) / 2.0
    counts = body[slices].sum(axis=1, dtype=np.int64)
    middles = counts @ np.arange(body.shape[2]) / counts.sum(axis=1)
    return float(np.median(middles))
