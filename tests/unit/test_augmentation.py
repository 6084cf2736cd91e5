"""Augmentation: nothing drawn changes nothing; image and label move together; each change is what it says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lunggtv.model.normalisation import Normalisation
from lunggtv.train.augmentation import (
    Augmentation,
    change_intensity,
    draw_augmentation,
    plan_reach,
    sample_patches,
)
from lunggtv.train.data import Case, cut_window
from lunggtv.train.sampling import AUGMENTATION, stream
from lunggtv.train.settings import AugmentationSettings

SPACING = (6.0, 3.0, 3.0)
PATCH = (8, 16, 16)
SHAPE = (16, 40, 40)
CENTRE = (7.5, 19.5, 19.5)
WINDOW = Normalisation(-1000.0, 300.0, -200.0, 100.0)
RANGES = AugmentationSettings(
    mirror_share=0.5, geometry_share=1.0, rotation_in_plane_deg=25.0, rotation_out_of_plane_deg=8.0,
    scale=(0.75, 1.33), elastic_share=0.5, elastic_mm=6.0, elastic_spacing_mm=30.0,
    low_resolution_share=0.5, low_resolution=(0.5, 1.0), blur_share=0.5, blur_mm=(0.5, 4.0),
    noise_share=0.5, noise_hu=60.0, brightness_share=0.5, brightness_hu=40.0, contrast_share=0.5,
    contrast=(0.8, 1.25), gamma_share=0.5, gamma=(0.8, 1.25),
)  # fmt: skip


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


def intensity(ct_hu: torch.Tensor, change: Augmentation) -> torch.Tensor:
    """In HU again, so that expectations read in HU."""
    return change_intensity(ct_hu, [change], [SPACING], WINDOW) * WINDOW.std_hu + WINDOW.mean_hu


def test_no_intensity_change_is_the_window():
    ct = torch.tensor([-2000.0, -1000.0, -500.0, 40.0, 300.0, 900.0]).view(1, 1, 1, 1, -1)
    expected = [-1000.0, -1000.0, -500.0, 40.0, 300.0, 300.0]
    assert intensity(ct, Augmentation()).view(-1).tolist() == pytest.approx(expected, abs=1e-3)


def test_brightness_contrast_and_gamma_by_hand():
    ct = torch.tensor([-500.0, 100.0]).view(1, 1, 1, 1, -1)
    assert intensity(ct, Augmentation(brightness_hu=30.0)).view(-1).tolist() == pytest.approx([-470.0, 130.0])
    # The fold's mean is -200 HU here: contrast stretches about it.
    assert intensity(ct, Augmentation(contrast=0.5)).view(-1).tolist() == pytest.approx([-350.0, -50.0])
    # -500 HU is 500 / 1300 of the window; squared, 25 / 169.
    darker = intensity(ct, Augmentation(gamma=2.0)).view(-1)[0].item()
    assert darker == pytest.approx(-1000 + 1300 * 25 / 169, abs=0.01)


def test_noise_has_the_sigma_drawn_and_repeats():
    ct = torch.zeros(1, 1, 16, 32, 32)
    change = Augmentation(noise_hu=50.0, noise_seed=3)
    first = intensity(ct, change)
    assert first.std().item() == pytest.approx(50.0, rel=0.03)
    assert torch.equal(first, intensity(ct, change))
    assert not torch.equal(first, intensity(ct, replace(change, noise_seed=4)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_blur_keeps_the_mean_and_has_its_width_in_mm(axis):
    ct = torch.full((1, 1, 17, 33, 33), WINDOW.mean_hu)
    ct[0, 0, 8, 16, 16] += 500.0
    blurred = intensity(ct, Augmentation(blur_mm=9.0)) - WINDOW.mean_hu
    # float32 rounds by 1e-4 HU in each of 18 513 voxels.
    assert blurred.sum().item() == pytest.approx(500.0, rel=5e-3)
    profile = blurred[0, 0].sum(dim=[other for other in range(3) if other != axis]).double().numpy()
    place_mm = (np.arange(len(profile)) - len(profile) // 2) * SPACING[axis]
    # Sampling and cutting at three sigma take a little off the nominal 9 mm.
    assert np.sqrt((profile * place_mm**2).sum() / profile.sum()) == pytest.approx(9.0, rel=0.05)


def test_low_resolution_leaves_shape_and_slices_alone():
    generator = torch.Generator().manual_seed(0)
    ct = torch.randn(1, 1, 4, 32, 32, generator=generator) * 100
    ct[0, 0, 2] = 250.0
    coarse = intensity(ct, Augmentation(low_resolution=0.5))
    assert coarse.shape == ct.shape
    assert torch.allclose(coarse[0, 0, 2], torch.tensor(250.0), atol=1e-3)
    assert coarse[0, 0, 0].std() < ct[0, 0, 0].std()


def test_draws_are_in_range_and_repeat():
    extent = (96.0, 96.0, 96.0)
    for index in range(200):
        a, b = (draw_augmentation(stream(1, 0, AUGMENTATION, index), RANGES, extent) for _ in range(2))
        assert replace(a, elastic_mm=None) == replace(b, elastic_mm=None)
        assert abs(a.rotation_deg[0]) <= 25.0
        assert max(abs(v) for v in a.rotation_deg[1:]) <= 8.0
        assert 0.75 <= a.scale <= 1.33
        assert 0.5 <= a.low_resolution <= 1.0
        assert 0 <= a.noise_hu <= 60.0
        assert a.elastic_mm is None or (np.abs(a.elastic_mm) <= 6.0).all()


def test_one_share_does_not_alter_another_draw():
    extent = (96.0, 96.0, 96.0)
    without = replace(RANGES, elastic_share=0.0, mirror_share=0.0)
    for index in range(30):
        a, b = (draw_augmentation(stream(1, 0, AUGMENTATION, index), r, extent) for r in (RANGES, without))
        assert replace(a, elastic_mm=None, mirror=False) == b


def test_nothing_shared_is_identity():
    off = {name: 0.0 for name in vars(RANGES) if name.endswith("_share")}
    for index in range(20):
        drawn = draw_augmentation(
            stream(1, 0, AUGMENTATION, index), replace(RANGES, **off), (96.0, 96.0, 96.0)
        )
        assert replace(drawn, noise_seed=0) == Augmentation()
