"""Distances between the surfaces of two masks, weighted by surface area.

Method of Nikolov et al. (2018, arXiv:1809.04430), as in DeepMind's ``surface-distance``: a surface is the
set of surface elements, each with a position (where eight voxels meet) and an area. The distance of an
element is that to the nearest element of the other surface. Beyond the array everything is outside, so a
mask that touches the border is closed there.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from lunggtv.evaluate.surface_elements import element_areas_mm2
from lunggtv.geometry import Triple

# A distance this close above a tolerance is within it: spacings read from headers carry float32 rounding,
# and one slice of 5.000001 mm is one slice of 5 mm.
ROUNDING_MM = 1e-5


@dataclass(frozen=True)
class Surface:
    """Surface elements of a mask: corner indices (n, 3) in z, y, x, and areas (n,) in mm2.

    Corner (i, j, k) is where voxels (i-1, j-1, k-1) and (i, j, k) touch.
    """

    corners: np.ndarray
    areas_mm2: np.ndarray


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances from each surface to the other, ascending, with the areas they stand for.

    ``label_mm[i]`` is the distance of the label's i-th element to the prediction's surface, and so on.
    """

    label_mm: np.ndarray
    label_areas_mm2: np.ndarray
    prediction_mm: np.ndarray
    prediction_areas_mm2: np.ndarray


def surface_of(mask: np.ndarray, spacing_mm: Triple) -> Surface:
    """Surface elements of a mask (z, y, x) of 0 and 1; none for an empty mask."""
    codes: np.ndarray = np.pad(mask.astype(np.uint8), 1)
    # Separable: pairs along x, then quads, then the eight voxels around a corner.
    codes = codes[:, :, :-1] | codes[:, :, 1:] << 1
    codes = codes[:, :-1] | codes[:, 1:] << 2
    codes = codes[:-1] | codes[1:] << 4
    flat = np.flatnonzero((codes != 0) & (codes != 255))
    corners = np.stack(np.unravel_index(flat, codes.shape), axis=1)
    return Surface(corners, element_areas_mm2(spacing_mm)[codes.reshape(-1)[flat]])


def surface_distances(label: Surface, prediction: Surface, spacing_mm: Triple) -> SurfaceDistances:
    """Distances between two surfaces on the same grid, neither of them empty."""
    spacing = np.asarray(spacing_mm)
    label_mm = _nearest_mm(label, prediction, spacing)
    prediction_mm = _nearest_mm(prediction, label, spacing)
    return SurfaceDistances(
        *_ascending(label_mm, label.areas_mm2), *_ascending(prediction_mm, prediction.areas_mm2)
    )


def surface_dice(distances: SurfaceDistances, tolerance_mm: float) -> float:
    """Share of both surfaces within ``tolerance_mm`` of the other, 0 to 1."""
    limit_mm = tolerance_mm + ROUNDING_MM
    within = distances.label_areas_mm2[distances.label_mm <= limit_mm].sum()
    within += distances.prediction_areas_mm2[distances.prediction_mm <= limit_mm].sum()
    return float(within / (distances.label_areas_mm2.sum() + distances.prediction_areas_mm2.sum()))


def hausdorff_mm(distances: SurfaceDistances, percent: float) -> float:
    """Larger of the two directed percentiles (100: the largest distance of all)."""
    return max(
        _percentile(distances.label_mm, distances.label_areas_mm2, percent),
        _percentile(distances.prediction_mm, distances.prediction_areas_mm2, percent),
    )


def pooled_percentile_mm(distances: SurfaceDistances, percent: float) -> float:
    """Percentile of the distances of both surfaces taken together."""
    return _percentile(*_ascending(*_pooled(distances)), percent)


def mean_distance_mm(distances: SurfaceDistances) -> float:
    """Mean distance of both surfaces taken together (average symmetric surface distance)."""
    distances_mm, areas_mm2 = _pooled(distances)
    return float((distances_mm * areas_mm2).sum() / areas_mm2.sum())


def _nearest_mm(source: Surface, target: Surface, spacing: np.ndarray) -> np.ndarray:
    """Distance of every element of ``source`` to the nearest of ``target``.

    A k-d tree costs by the number of elements, not by the box: a false positive far away is cheap.
    """
    tree = cKDTree(target.corners * spacing, balanced_tree=False, compact_nodes=False)
    _, nearest = tree.query(source.corners * spacing)
    # From whole steps, so that equal offsets give equal distances to the last bit wherever they lie.
    steps = source.corners - target.corners[nearest]
    return np.sqrt(((steps * spacing) ** 2).sum(axis=1))


def _pooled(distances: SurfaceDistances) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.concatenate([distances.label_mm, distances.prediction_mm]),
        np.concatenate([distances.label_areas_mm2, distances.prediction_areas_mm2]),
    )


def _ascending(distances_mm: np.ndarray, areas_mm2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((areas_mm2, distances_mm))
    return distances_mm[order], areas_mm2[order]


def _percentile(distances_mm: np.ndarray, areas_mm2: np.ndarray, percent: float) -> float:
    """Smallest distance that ``percent`` of the area does not exceed; distances ascending."""
    share = np.cumsum(areas_mm2) / areas_mm2.sum()
    index = min(int(np.searchsorted(share, percent / 100)), len(distances_mm) - 1)
    return float(distances_mm[index])
