"""Intensity of augmentation: each change is what it says, in HU and mm, alone and with the others."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lunggtv.model.normalisation import Normalisation
from lunggtv.train.augmentation import Augmentation, change_intensity

SPACING = (6.0, 3.0, 3.0)
WINDOW = Normalisation(-1000.0, 300.0, -200.0, 100.0)


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


def test_contrast_comes_before_brightness_and_gamma_last():
    ct = torch.tensor([-500.0, 100.0]).view(1, 1, 1, 1, -1)
    changed = intensity(ct, Augmentation(contrast=0.5, brightness_hu=40.0, gamma=2.0)).view(-1).tolist()
    # Half way to the mean of -200 HU, and 40 HU up; then squared within the window from -1000 to 300 HU.
    assert changed == pytest.approx([1300 * ((hu + 1000) / 1300) ** 2 - 1000 for hu in (-310, -10)], abs=0.01)


def test_noise_is_not_blurred_but_stretched_with_the_contrast():
    ct = torch.full((1, 1, 16, 32, 32), -300.0)
    noisy = intensity(ct, Augmentation(noise_hu=50.0, blur_mm=9.0))
    assert (noisy.std().item(), noisy.mean().item()) == (
        pytest.approx(50.0, rel=0.03), pytest.approx(-300.0, abs=2.0),
    )  # fmt: skip
    softer = intensity(ct, Augmentation(noise_hu=50.0, contrast=0.5))
    assert (softer.std().item(), softer.mean().item()) == (
        pytest.approx(25.0, rel=0.03), pytest.approx(-250.0, abs=1.0),
    )  # fmt: skip


def test_each_sample_of_a_batch_has_its_own_change_and_spacing():
    ct = torch.randn(3, 1, 6, 16, 16, generator=torch.Generator().manual_seed(1)) * 100
    blur, other = Augmentation(blur_mm=6.0), Augmentation(noise_hu=40.0, noise_seed=5, contrast=0.7)
    changes, spacings = [blur, other, blur], [SPACING, SPACING, (3.0, 2.0, 1.0)]
    together = change_intensity(ct, changes, spacings, WINDOW)
    for i in range(3):
        alone = change_intensity(ct[i : i + 1], changes[i : i + 1], spacings[i : i + 1], WINDOW)
        assert torch.allclose(together[i : i + 1], alone, atol=1e-6)
    same = change_intensity(ct[2:], [blur], [SPACING], WINDOW)
    assert not torch.allclose(together[2:], same, atol=0.05)


def test_blur_leaves_what_is_even_alone_up_to_the_edges():
    ct = torch.full((1, 1, 4, 16, 16), 100.0)
    assert torch.allclose(intensity(ct, Augmentation(blur_mm=9.0)), ct, atol=0.01)


def test_blur_below_a_third_of_a_voxel_is_left_out():
    ct = torch.full((1, 1, 5, 9, 9), WINDOW.mean_hu)
    ct[0, 0, 2, 4, 4] += 400.0
    # 1.5 mm are a quarter of a slice and half a pixel.
    blurred = intensity(ct, Augmentation(blur_mm=1.5)) - WINDOW.mean_hu
    assert blurred[0, 0, 1].abs().max() < 0.01
    # exp(-2) beside 1: a pixel is two sigmas from its neighbour.
    middle, beside = blurred[0, 0, 2, 4, 4].item(), blurred[0, 0, 2, 4, 5].item()
    assert beside / middle == pytest.approx(np.exp(-2), rel=1e-3)


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


@pytest.mark.parametrize("axis", [1, 2])
def test_low_resolution_keeps_every_other_pixel_and_draws_lines_between(axis):
    shape = [1, 1, 1, 1, 1]
    shape[axis + 2] = 8
    ct = 10.0 * torch.arange(8).view(shape).expand(1, 1, 2, 8, 8).contiguous()
    coarse = intensity(ct, Augmentation(low_resolution=0.5))[0, 0]
    profile = coarse.movedim(axis, 0).reshape(8, -1)
    # Pixels 1, 3, 5 and 7 are kept; each stands for two, so that lines run between their middles.
    expected = torch.tensor([10.0, 15.0, 25.0, 35.0, 45.0, 55.0, 65.0, 70.0])
    assert torch.allclose(profile, expected[:, None].expand_as(profile), atol=1e-3)


def test_low_resolution_leaves_shape_and_slices_alone():
    generator = torch.Generator().manual_seed(0)
    ct = torch.randn(1, 1, 4, 32, 32, generator=generator) * 100
    ct[0, 0, 2] = 250.0
    coarse = intensity(ct, Augmentation(low_resolution=0.5))
    assert coarse.shape == ct.shape
    assert torch.allclose(coarse[0, 0, 2], torch.tensor(250.0), atol=1e-3)
    assert coarse[0, 0, 0].std() < ct[0, 0, 0].std()
