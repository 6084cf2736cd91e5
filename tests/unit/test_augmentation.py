"""Geometry of augmentation: nothing drawn moves nothing; every voxel shows its place; image and label together."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lunggtv.train.augmentation import Augmentation, plan_reach, sample_patches
from lunggtv.train.cases import Case, cut_window

SPACING = (6.0, 3.0, 3.0)
PATCH = (8, 16, 16)
SHAPE = (16, 40, 40)
CENTRE = (7.5, 19.5, 19.5)


def case_of(ct: np.ndarray, label: np.ndarray) -> Case:
    whole_ct, whole_label = torch.from_numpy(ct), torch.from_numpy(label)

    def read(start, stop):
        place = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        return whole_ct[place], whole_label[place]

    return Case("7", "7.h5", ct.shape, SPACING, np.flatnonzero(label), read)


def moved(case: Case, change: Augmentation, centre=CENTRE) -> tuple[np.ndarray, np.ndarray]:
    reach = plan_reach(change, centre, PATCH, SPACING)
    ct, label = sample_patches([cut_window(case, reach.start, reach.shape)], [reach], PATCH)
    return ct[0, 0].numpy(), label[0, 0].numpy()


def noise_case() -> Case:
    generator = np.random.default_rng(0)
    ct = generator.integers(-1000, 1000, SHAPE).astype(np.int16)
    return case_of(ct, (ct > 300).astype(np.uint8))


def ball_case(radius_mm: float = 14.0) -> tuple[Case, np.ndarray]:
    """A ball of +200 HU in -800 HU, off centre, and its centre in voxels."""
    centre = np.array([8.0, 17.0, 23.0])
    place = np.indices(SHAPE).transpose(1, 2, 3, 0)
    distance_mm = np.linalg.norm((place - centre) * SPACING, axis=-1)
    ct = np.clip(-800 + 1000 * (radius_mm - distance_mm) / 3.0, -800, 200)
    return case_of(ct.astype(np.int16), (ct >= -300).astype(np.uint8)), centre


def test_no_change_is_the_patch_itself():
    case = noise_case()
    ct, label = moved(case, Augmentation())
    region = tuple(slice(4, 12) if axis == 0 else slice(12, 28) for axis in range(3))
    expected, mask = case.read(*zip(*((s.start, s.stop) for s in region), strict=True))
    np.testing.assert_allclose(ct, expected.numpy(), atol=0.05)
    np.testing.assert_array_equal(label, mask.numpy())


def test_no_change_reads_no_voxel_too_many():
    reach = plan_reach(Augmentation(), CENTRE, PATCH, SPACING)
    assert (reach.start, reach.shape) == ((4, 12, 12), PATCH)


def test_a_window_that_leaves_the_box_is_padded_with_air_and_no_gtv():
    case = noise_case()
    ct, label = cut_window(case, (-2, 30, -3), (20, 16, 12))
    inside = (slice(2, 18), slice(0, 10), slice(3, 12))
    box_ct, box_label = case.read((0, 30, 0), (16, 40, 9))
    assert torch.equal(ct[inside], box_ct) and torch.equal(label[inside], box_label)
    outside = torch.ones(ct.shape, dtype=torch.bool)
    outside[inside] = False
    assert (ct[outside] == -1000).all() and (label[outside] == 0).all()
    far_ct, far_label = cut_window(case, (40, 0, 0), (4, 4, 4))
    assert (far_ct == -1000).all() and (far_label == 0).all()


def test_mirror_swaps_left_and_right_only():
    case = noise_case()
    plain, _ = moved(case, Augmentation())
    mirrored, _ = moved(case, Augmentation(mirror=True))
    np.testing.assert_allclose(mirrored, plain[:, :, ::-1], atol=0.05)


def test_quarter_turn_in_plane_is_exact():
    # y and x have the same spacing, so that a quarter turn moves voxels onto voxels.
    case = noise_case()
    plain, label = moved(case, Augmentation())
    turned, turned_label = moved(case, Augmentation(rotation_deg=(90.0, 0.0, 0.0)))
    fits = [k for k in (1, -1) if np.abs(np.rot90(plain, k, (1, 2)) - turned).max() < 0.1]
    assert len(fits) == 1
    np.testing.assert_array_equal(np.rot90(label, fits[0], (1, 2)), turned_label)


def test_half_turn_out_of_plane_turns_z_and_one_other_axis():
    case = noise_case()
    plain, _ = moved(case, Augmentation())
    np.testing.assert_allclose(
        moved(case, Augmentation(rotation_deg=(0.0, 180.0, 0.0)))[0], plain[::-1, :, ::-1], atol=0.1
    )
    np.testing.assert_allclose(
        moved(case, Augmentation(rotation_deg=(0.0, 0.0, 180.0)))[0], plain[::-1, ::-1, :], atol=0.1
    )


def test_rotation_keeps_lengths_in_mm_between_unlike_axes():
    # A block of 18 mm along z (3 slices) and 24 mm along x (8 pixels), turned by 90 degrees about y, measures
    # 24 mm along z (4 slices) and 18 mm along x (6 pixels).
    ct = np.full(SHAPE, -1000, np.int16)
    ct[7:10, 15:25, 16:24] = 1000
    turned, _ = moved(
        case_of(ct, np.zeros(SHAPE, np.uint8)), Augmentation(rotation_deg=(0.0, 90.0, 0.0)), (8.0, 20.0, 19.5)
    )
    block = np.argwhere(turned > 0)
    assert (np.ptp(block, axis=0) + 1)[[0, 2]].tolist() == [4, 6]


def test_every_voxel_shows_the_place_it_should():
    spacing = np.array((6.0, 3.0, 2.5))
    elastic = np.zeros((3, 2, 2, 3), np.float32)
    # Displaced by 4 mm in z; in y by -3 mm at the first slice to 5 mm at the last; in x by 2 mm in the middle.
    elastic[0], elastic[1, 0], elastic[1, 1], elastic[2] = 4.0, -3.0, 5.0, [-4.0, 2.0, -4.0]
    change = Augmentation(True, (25.0, 8.0, -5.0), 0.9, elastic)
    z, y, x = np.meshgrid(*(np.arange(n) for n in PATCH), indexing="ij")
    place_mm = [(i - (n - 1) / 2) * s for i, n, s in zip((z, y, x), PATCH, spacing, strict=True)]
    place_mm[2] = -place_mm[2]
    for angle, (first, second) in zip(np.deg2rad((25.0, 8.0, -5.0)), ((1, 2), (0, 2), (0, 1)), strict=True):
        a, b = place_mm[first], place_mm[second]
        place_mm[first] = np.cos(angle) * a - np.sin(angle) * b
        place_mm[second] = np.sin(angle) * a + np.cos(angle) * b
    bent_mm = [4.0, -3.0 + 8.0 * z / 7, np.interp(x / 15, [0, 0.5, 1], [-4.0, 2.0, -4.0])]
    for axis in range(3):
        # A CT that tells where each voxel lies along one axis, 50 HU a step.
        ct = (50 * np.indices(SHAPE)[axis]).astype(np.int16)
        reach = plan_reach(change, CENTRE, PATCH, tuple(spacing))
        window = cut_window(case_of(ct, np.zeros(SHAPE, np.uint8)), reach.start, reach.shape)
        found = sample_patches([window], [reach], PATCH)[0][0, 0].numpy() / 50
        expected = CENTRE[axis] + (place_mm[axis] / 0.9 + bent_mm[axis]) / spacing[axis]
        assert expected.min() >= 0 and expected.max() <= SHAPE[axis] - 1
        np.testing.assert_allclose(found, expected, atol=0.01)


def test_scale_above_one_enlarges():
    case, _ = ball_case()
    small, large = (moved(case, Augmentation(scale=s))[1].sum() for s in (1.0, 1.3))
    assert large / small == pytest.approx(1.3**3, rel=0.15)


@settings(max_examples=40, deadline=None)
@given(
    st.booleans(),
    st.tuples(st.floats(-30, 30), st.floats(-10, 10), st.floats(-10, 10)),
    st.floats(0.8, 1.25),
    st.integers(0, 2**31),
)
def test_image_and_label_move_together(mirror, rotation, scale, seed):
    # A ball of 14 mm has 90 voxels: its mask is so coarse that its centre is 0.31 voxels off; of 22 mm, 0.1.
    case, _ = ball_case(22.0)
    elastic = np.random.default_rng(seed).uniform(-4, 4, (3, 3, 3, 3)).astype(np.float32)
    ct, label = moved(case, Augmentation(mirror, rotation, scale, elastic))
    # The edge of the ball is -300 HU, so that the moved image cut there is the moved label; a shift by one
    # voxel would differ in 5 % of the voxels.
    assert np.mean((ct >= -300) != (label > 0)) < 0.03
    image_centre, label_centre = (np.argwhere(m).mean(axis=0) for m in (ct >= -300, label > 0))
    assert np.abs(image_centre - label_centre).max() < 0.25


def test_beyond_the_box_is_air_without_gtv():
    case = case_of(np.full((4, 8, 8), 50, np.int16), np.ones((4, 8, 8), np.uint8))
    ct, label = moved(case, Augmentation(), (1.5, 3.5, 3.5))
    assert ct[0, 0, 0] == pytest.approx(-1000)
    assert ct[4, 8, 8] == pytest.approx(50, abs=0.01)
    assert label.sum() == 4 * 8 * 8


def test_a_window_wholly_outside_is_all_air():
    case = case_of(np.full((4, 8, 8), 50, np.int16), np.ones((4, 8, 8), np.uint8))
    ct, label = cut_window(case, (10, 0, 0), (4, 4, 4))
    assert (ct == -1000).all()
    assert not label.any()


def test_samples_of_a_batch_do_not_touch_one_another():
    case, _ = ball_case()
    changes = [Augmentation(), Augmentation(rotation_deg=(20.0, 5.0, 0.0), scale=0.8)]
    reaches = [plan_reach(change, CENTRE, PATCH, SPACING) for change in changes]
    regions = [cut_window(case, reach.start, reach.shape) for reach in reaches]
    together, _ = sample_patches(regions, reaches, PATCH)
    for row, change in zip(together, changes, strict=True):
        np.testing.assert_allclose(row[0].numpy(), moved(case, change)[0], atol=0.05)
