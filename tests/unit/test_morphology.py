"""Morphology of ours against SciPy's, which is slower and right."""

from functools import partial

import numpy as np
import pytest
from lunggtv.cache.morphology import dilate_in_plane, dilate_within, erode_in_plane
from lunggtv.ingest.anatomy import body_mask, lung_mask
from lunggtv.mask_parts import label_in_slices, label_parts, part_boxes
from scipy import ndimage

SPACING_MM = (5.0, 3.5, 3.5)


def blobs(seed, shape=(4, 23, 31)):
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)


def octagon(mask, reach_mm, operation):
    cross = ndimage.generate_binary_structure(2, 1)[None]
    for step in range(max(1, round(reach_mm / SPACING_MM[1]))):
        mask = operation(mask, np.ones((1, 3, 3), bool) if step % 2 else cross)
    return mask


@pytest.mark.parametrize("reach_mm", [1.0, 4.0, 12.0])
@pytest.mark.parametrize("seed", range(3))
def test_in_plane_erosion_and_dilation_equal_scipy(seed, reach_mm):
    field = blobs(seed)
    mask, within = field > 0, field > -0.03
    cases = (
        (dilate_in_plane(mask, reach_mm, SPACING_MM), ndimage.binary_dilation),
        (
            dilate_in_plane(mask, reach_mm, SPACING_MM, within),
            partial(ndimage.binary_dilation, mask=within),
        ),
        (erode_in_plane(mask, reach_mm, SPACING_MM), ndimage.binary_erosion),
        (
            erode_in_plane(mask, reach_mm, SPACING_MM, beyond=True),
            partial(ndimage.binary_erosion, border_value=1),
        ),
    )
    for found, operation in cases:
        assert np.array_equal(found, octagon(mask, reach_mm, operation))


@pytest.mark.parametrize("seed", range(5))
def test_body_and_lungs_equal_scipy(seed):
    ct = np.where(blobs(seed, (5, 60, 70)) > -0.05, 40, -900).astype(np.int16)
    dense = ndimage.binary_opening(ct > -500, np.ones((1, 3, 3), bool))
    parts, _ = ndimage.label(dense)
    largest = parts == np.bincount(parts.reshape(-1))[1:].argmax() + 1
    body = np.stack([ndimage.binary_fill_holes(plane) for plane in largest])
    assert np.array_equal(body_mask(ct), body)
    spacing_mm = (40.0, 40.0, 40.0)  # so that some of the gaps are as large as lungs
    air = ndimage.binary_opening(body & (ct < -400), np.ones((1, 2, 2), bool))
    parts, _ = ndimage.label(air)
    sizes = np.bincount(parts.reshape(-1))[1:] * 64.0
    lungs = np.isin(parts, 1 + np.array([i for i in np.argsort(sizes)[::-1][:2] if sizes[i] > 300.0], int))
    assert lungs.any()
    assert np.array_equal(lung_mask(ct, body, spacing_mm), lungs)


def test_a_slice_smaller_than_the_opening_is_no_body():
    assert not body_mask(np.zeros((3, 2, 5), np.int16)).any()


@pytest.mark.parametrize("steps", [1, 4])
def test_growing_within_equals_scipy(steps):
    field = blobs(1)
    seeds, within = field > 0.2, field > 0
    wanted = ndimage.binary_dilation(seeds, np.ones((3, 3, 3), bool), iterations=steps, mask=within)
    assert np.array_equal(dilate_within(seeds, within, steps), wanted)


class TestParts:
    @pytest.mark.parametrize("view", [np.s_[:], np.s_[1:, ::-1, ::2], np.s_[2]])
    @pytest.mark.parametrize("corners", [False, True])
    def test_numbers_and_boxes_equal_scipy(self, view, corners):
        mask = (np.random.default_rng(2).random((6, 20, 30)) > 0.7)[view]
        structure = ndimage.generate_binary_structure(mask.ndim, mask.ndim if corners else 1)
        wanted, count = ndimage.label(mask, structure)
        for kind in (bool, np.uint8):
            labels, found = label_parts(mask.astype(kind), corners)
            assert found == count
            # The same parts, numbered in whatever order.
            assert np.array_equal(labels > 0, mask)
            assert len(set(zip(labels.flat, wanted.flat, strict=True)) - {(0, 0)}) == count
        assert sorted(map(str, part_boxes(labels))) == sorted(map(str, ndimage.find_objects(wanted)))

    def test_slices_for_themselves_equal_scipy(self):
        mask = np.random.default_rng(3).random((6, 20, 30)) > 0.7
        mask[2] = False
        in_slice = np.zeros((3, 3, 3), bool)
        in_slice[1] = ndimage.generate_binary_structure(2, 1)
        wanted, count = ndimage.label(mask, in_slice)
        labels, found = label_in_slices(mask)
        assert found == count
        assert np.array_equal(labels > 0, mask)
        assert len(set(zip(labels.flat, wanted.flat, strict=True)) - {(0, 0)}) == count

    def test_nothing_has_no_parts(self):
        labels, count = label_parts(np.zeros((3, 4, 5), bool))
        assert count == 0 and part_boxes(labels) == []
