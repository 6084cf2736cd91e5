"""Lesions of a mask: its connected parts, with size and place in the patient."""

from dataclasses import dataclass

import numpy as np

from lunggtv.geometry import Grid
from lunggtv.infer.rounding import DECIMALS
from lunggtv.mask_parts import label_parts, part_boxes


@dataclass(frozen=True)
class Lesion:
    """One connected part. Coordinates are physical LPS ``(x, y, z)`` in mm.

    ``extent_mm`` is the size along x, y, z of the box that holds the voxels, whole voxels counted.
    """

    volume_ml: float
    centroid_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]


def drop_small(mask: np.ndarray, voxel_ml: float, smallest_lesion_ml: float) -> np.ndarray:
    """The mask (uint8) without connected parts below ``smallest_lesion_ml``; never only the largest part."""
    parts, _ = label_parts(mask, corners=True)
    keep = is_large(np.bincount(parts.reshape(-1)), voxel_ml, smallest_lesion_ml)
    keep[0] = False
    return keep[parts].astype(np.uint8)


def is_large(volumes_vox: np.ndarray, voxel_ml: float, smallest_lesion_ml: float) -> np.ndarray:
    """Whether parts of these volumes are kept (bool)."""
    # A part of exactly that size stays; the factor forgives rounding of spacing products.
    return volumes_vox * voxel_ml >= smallest_lesion_ml * (1 - 1e-9)


def find_lesions(mask: np.ndarray, grid: Grid) -> list[Lesion]:
    """All lesions, the largest first (equal ones in voxel order); empty for an empty mask.

    Args:
        mask: (z, y, x), 0 and 1.
        grid: the mask's grid.
    """
    parts, _ = label_parts(mask, corners=True)
    volumes_vox = np.bincount(parts.reshape(-1))
    lesions = []
    for number, box in enumerate(part_boxes(parts), start=1):
        inside = np.argwhere(parts[box] == number) + [part.start for part in box]
        centres_mm = grid.point_mm(inside)
        size_mm = np.ptp(centres_mm, axis=0) + _voxel_extent_mm(grid)
        lesions.append(
            Lesion(
                round(float(volumes_vox[number]) * grid.voxel_ml, DECIMALS),
                _rounded(centres_mm.mean(axis=0)),
                _rounded(size_mm),
            )
        )
    return sorted(lesions, key=lambda lesion: -lesion.volume_ml)


def _voxel_extent_mm(grid: Grid) -> np.ndarray:
    """Size along x, y, z of the box that holds one (perhaps oblique) voxel."""
    return np.abs(grid.matrix) @ np.asarray(grid.spacing_mm[::-1])


def _rounded(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (round(float(value), DECIMALS) + 0.0 for value in values)
    return (x, y, z)
