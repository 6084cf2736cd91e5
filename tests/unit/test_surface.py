"""Surface elements and distances: by hand, by symmetry, and against DeepMind's surface-distance."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lunggtv.evaluate.surface import (
    SurfaceDistances,
    hausdorff_mm,
    mean_distance_mm,
    pooled_percentile_mm,
    surface_dice,
    surface_distances,
    surface_of,
)
from lunggtv.evaluate.surface_elements import CORNERS, element_areas_mm2
from surface_distance import lookup_tables as peer_tables
from surface_distance import metrics as peer

from tests.unit.mask_pairs import mask_pairs

SPACINGS_MM = [(1.0, 1.0, 1.0), (5.0, 1.17, 1.17), (3.0, 0.977, 0.977), (0.7, 2.3, 1.1), (2.5, 1.367, 0.5)]
TOLERANCES_MM = (0.5, 1.0, 2.0, 3.0, 5.0)


def distances_of(label: np.ndarray, prediction: np.ndarray, spacing_mm: tuple) -> SurfaceDistances:
    return surface_distances(surface_of(label, spacing_mm), surface_of(prediction, spacing_mm), spacing_mm)


def code_of(corners: set) -> int:
    return sum(1 << bit for bit, corner in enumerate(CORNERS) if corner in corners)


def cuboid(shape: tuple, start: tuple, size: tuple) -> np.ndarray:
    mask = np.zeros(shape, dtype=np.uint8)
    mask[tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))] = 1
    return mask


def test_areas_of_single_elements_by_hand():
    sz, sy, sx = 5.0, 2.0, 1.0
    areas = element_areas_mm2((sz, sy, sx))
    # One corner: the triangle through the middles of its three edges.
    corner = np.sqrt((sy * sx) ** 2 + (sz * sx) ** 2 + (sz * sy) ** 2) / 8
    # Two along x: a rectangle, x by the slanted line between two middles.
    edge = sx * np.hypot(sy / 2, sz / 2)
    assert areas[code_of({(0, 0, 0)})] == pytest.approx(corner, rel=1e-14)
    assert areas[code_of({(0, 0, 0), (0, 0, 1)})] == pytest.approx(edge, rel=1e-14)
    assert areas[code_of({c for c in CORNERS if c[0] == 0})] == pytest.approx(sy * sx, rel=1e-14)
    # Three of one face: half the face half-way up, and down from it a trapezoid of three corner triangles.
    three = sy * sx / 2 + 3 * corner
    assert areas[code_of({(0, 0, 0), (0, 0, 1), (0, 1, 0)})] == pytest.approx(three, rel=1e-14)
    assert areas[0] == areas[255] == 0.0


@pytest.mark.parametrize("spacing_mm", SPACINGS_MM)
def test_areas_equal_the_peers_table(spacing_mm):
    kernel = peer_tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL
    theirs = peer_tables.create_table_neighbour_code_to_surface_area(spacing_mm)
    ours = element_areas_mm2(spacing_mm)
    for code in range(256):
        peer_code = sum(int(kernel[corner]) for bit, corner in enumerate(CORNERS) if code >> bit & 1)
        assert ours[code] == pytest.approx(theirs[peer_code], abs=1e-12)


def test_areas_do_not_depend_on_side_or_orientation():
    spacing_mm = (5.0, 1.17, 0.7)
    areas = element_areas_mm2(spacing_mm)
    np.testing.assert_allclose(areas, areas[::-1], rtol=1e-13)
    for axes, flips in product(permutations(range(3)), product((0, 1), repeat=3)):
        turned = element_areas_mm2(tuple(spacing_mm[axis] for axis in axes))
        for code in range(256):
            inside = {corner for bit, corner in enumerate(CORNERS) if code >> bit & 1}
            moved = {tuple(corner[axes[a]] ^ flips[a] for a in range(3)) for corner in inside}
            assert turned[code_of(moved)] == pytest.approx(areas[code], rel=1e-12)


def test_one_voxel_is_an_octahedron():
    spacing_mm = (5.0, 2.0, 1.0)
    surface = surface_of(cuboid((1, 1, 1), (0, 0, 0), (1, 1, 1)), spacing_mm)
    assert len(surface.corners) == 8
    assert surface.areas_mm2.sum() == pytest.approx(np.sqrt(2**2 + 5**2 + 10**2), rel=1e-14)


def test_an_empty_mask_has_no_surface():
    assert surface_of(np.zeros((3, 3, 3), np.uint8), (1.0, 1.0, 1.0)).corners.shape == (0, 3)


def test_a_shift_of_one_slice_scores_one_slice():
    """A block of 3 x 3 pixels of 10 mm, 4 slices of 5 mm, shifted by one slice."""
    spacing_mm = (5.0, 10.0, 10.0)
    label = cuboid((8, 7, 7), (1, 2, 2), (4, 3, 3))
    prediction = cuboid((8, 7, 7), (2, 2, 2), (4, 3, 3))
    distances = distances_of(label, prediction, spacing_mm)
    assert hausdorff_mm(distances, 95) == 5.0
    assert hausdorff_mm(distances, 100) == 5.0
    assert surface_dice(distances, 5.0) == 1.0
    # Each end has 4 flat, 8 edge and 4 corner elements; each of the 3 layers between, 8 flat and 4 edges.
    corner = np.sqrt(100**2 + 50**2 + 50**2) / 8
    cap = 4 * 100 + 8 * 10 * np.hypot(5, 2.5) + 4 * corner
    layer = 8 * 50 + 4 * 5 * np.hypot(5, 5)
    # Far are the whole end that sticks out, and the flat elements of the other end, inside the other mask.
    far = cap + 4 * 100
    area = 2 * cap + 3 * layer
    for tolerance_mm in (1.0, 2.0, 3.0):
        assert surface_dice(distances, tolerance_mm) == pytest.approx(1 - far / area, rel=1e-13)
    assert mean_distance_mm(distances) == pytest.approx(5.0 * far / area, rel=1e-13)
    assert pooled_percentile_mm(distances, 50) == (5.0 if far / area > 0.5 else 0.0)


def test_two_voxels_apart():
    """Single voxels with one column between them, 2 mm wide."""
    spacing_mm = (3.0, 1.0, 2.0)
    label = cuboid((1, 1, 3), (0, 0, 0), (1, 1, 1))
    prediction = cuboid((1, 1, 3), (0, 0, 2), (1, 1, 1))
    distances = distances_of(label, prediction, spacing_mm)
    # Elements facing the other voxel are one column away, those behind two; all areas are equal.
    np.testing.assert_array_equal(distances.label_mm, [2.0] * 4 + [4.0] * 4)
    assert mean_distance_mm(distances) == pytest.approx(3.0, rel=1e-14)
    assert hausdorff_mm(distances, 50) == 2.0
    assert hausdorff_mm(distances, 95) == 4.0
    assert surface_dice(distances, 2.0) == pytest.approx(0.5, rel=1e-14)


def test_hausdorff_takes_the_larger_direction_and_pooling_does_not():
    """A false positive holds 6 % of one surface but 3 % of both: a cliff at 5 % tells the two HD95 apart."""
    far, near = 0.06, 0.94
    distances = SurfaceDistances(
        np.array([0.0]), np.array([1.0]), np.array([0.0, 270.0]), np.array([near, far])
    )
    assert hausdorff_mm(distances, 95) == 270.0
    assert pooled_percentile_mm(distances, 95) == 0.0


def test_spacing_with_float32_rounding_keeps_a_slice_within_its_tolerance():
    spacing_mm = (5.000001, 1.0, 1.0)
    label, prediction = cuboid((3, 1, 1), (0, 0, 0), (1, 1, 1)), cuboid((3, 1, 1), (1, 0, 0), (1, 1, 1))
    assert surface_dice(distances_of(label, prediction, spacing_mm), 5.0) == 1.0


def ball(shape: tuple, centre: tuple, radius: tuple) -> np.ndarray:
    z, y, x = np.ogrid[tuple(slice(0, n) for n in shape)]
    inside = sum(((a - c) / r) ** 2 for a, c, r in zip((z, y, x), centre, radius, strict=True)) <= 1
    return inside.astype(np.uint8)


def test_the_published_examples_of_the_method():
    """Two pixels two columns apart; half a cube and a layer more (surface_distance_test.py of DeepMind, 3 digits)."""
    pixel, other = cuboid((3, 3, 6), (1, 1, 1), (1, 1, 1)), cuboid((3, 3, 6), (1, 1, 3), (1, 1, 1))
    distances = distances_of(pixel, other, (3.0, 2.0, 1.0))
    assert mean_distance_mm(distances) == pytest.approx(1.5, rel=1e-14)
    assert hausdorff_mm(distances, 100) == hausdorff_mm(distances, 95) == 2.0
    assert surface_dice(distances, 1.0) == pytest.approx(0.5, rel=1e-14)

    half, more = cuboid((100,) * 3, (0, 0, 0), (50, 100, 100)), cuboid((100,) * 3, (0, 0, 0), (51, 100, 100))
    distances = distances_of(half, more, (2.0, 1.0, 1.0))
    assert hausdorff_mm(distances, 100) == hausdorff_mm(distances, 95) == 2.0
    assert surface_dice(distances, 1.0) == pytest.approx(0.836, abs=5e-4)
    directed = [
        np.average(d, weights=a)
        for d, a in (
            (distances.label_mm, distances.label_areas_mm2),
            (distances.prediction_mm, distances.prediction_areas_mm2),
        )
    ]
    assert directed == pytest.approx([0.322, 0.339], abs=5e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:surface_distance")
@settings(max_examples=150, deadline=None)
@given(mask_pairs(), st.sampled_from(SPACINGS_MM), st.sampled_from([50, 90, 95, 100]))
def test_equal_to_the_peer(masks, spacing_mm, percent):
    assert_equal_to_the_peer(*masks, spacing_mm, percent)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:surface_distance")
@pytest.mark.parametrize("spacing_mm", SPACINGS_MM)
def test_equal_to_the_peer_on_tumours(spacing_mm):
    """Balls of realistic size: shifted, cut by the border, hollow, with a second lesion far away."""
    shape = (14, 40, 44)
    label = ball(shape, (6, 20, 20), (4, 12, 12))
    shifted, at_border = ball(shape, (7, 21, 19), (4, 12, 11)), ball(shape, (0, 2, 40), (5, 9, 9))
    hollow = label & ~ball(shape, (6, 20, 20), (2, 6, 6)) & 1
    two = shifted | cuboid(shape, (12, 1, 1), (2, 3, 3))
    for prediction in (shifted, at_border, hollow, two):
        assert_equal_to_the_peer(label, prediction, spacing_mm, 95)


def assert_equal_to_the_peer(
    label: np.ndarray, prediction: np.ndarray, spacing_mm: tuple, percent: int
) -> None:
    ours = distances_of(label, prediction, spacing_mm)
    theirs = peer.compute_surface_distances(label > 0, prediction > 0, spacing_mm)
    np.testing.assert_allclose(ours.label_mm, theirs["distances_gt_to_pred"], atol=1e-9)
    np.testing.assert_allclose(ours.prediction_mm, theirs["distances_pred_to_gt"], atol=1e-9)
    for tolerance_mm in TOLERANCES_MM:
        expected = peer.compute_surface_dice_at_tolerance(theirs, tolerance_mm)
        assert surface_dice(ours, tolerance_mm) == pytest.approx(expected, abs=1e-9)
    assert hausdorff_mm(ours, percent) == pytest.approx(
        peer.compute_robust_hausdorff(theirs, percent), abs=1e-9
    )
    to_prediction, to_label = peer.compute_average_surface_distance(theirs)
    areas = [theirs["surfel_areas_gt"].sum(), theirs["surfel_areas_pred"].sum()]
    expected = np.average([to_prediction, to_label], weights=areas)
    assert mean_distance_mm(ours) == pytest.approx(expected, abs=1e-9)
