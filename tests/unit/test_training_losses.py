"""Dice and cross-entropy by hand, and how the heads of deep supervision are weighed."""

import numpy as np
import pytest
import torch
from lunggtv.train.loss import dice_loss, supervised_loss, supervision_weights
from torch.nn import functional


def test_losses_by_hand():
    logits = torch.full((1, 1, 1, 1, 2), 50.0)
    target = torch.tensor([1.0, 0.0]).view(1, 1, 1, 1, 2)
    # Probabilities 1, 1 against 1, 0: overlap 1, total 3.
    assert dice_loss(logits, target).item() == pytest.approx(1 - 2 / 3, abs=1e-4)
    total, dice, entropy = supervised_loss([logits], target)
    assert entropy.item() == pytest.approx(25.0)
    assert total.item() == pytest.approx(dice.item() + entropy.item())
    assert dice_loss(-logits, torch.zeros_like(target)).item() == pytest.approx(0.0, abs=1e-4)


def test_supervision_weights_sum_to_one_and_drop_the_coarsest():
    assert supervision_weights(1) == [1.0]
    assert supervision_weights(2) == [1.0, 0.0]
    assert supervision_weights(4) == pytest.approx([4 / 7, 2 / 7, 1 / 7, 0.0])


def test_each_head_counts_by_its_weight_against_the_mean_label():
    generator = torch.Generator().manual_seed(0)
    heads = [torch.randn(2, 1, 8, 8 // n, 8 // n, generator=generator) for n in (1, 2, 4)]
    target = (torch.rand(2, 1, 8, 8, 8, generator=generator) > 0.7).float()
    parts = []
    for head, n in zip(heads, (1, 2, 4), strict=True):
        label = functional.avg_pool3d(target, (1, n, n)).double().numpy()
        p = 1 / (1 + np.exp(-head.double().numpy()))
        entropy = -(label * np.log(p) + (1 - label) * np.log(1 - p)).mean()
        parts.append((1 - 2 * (p * label).sum() / (p.sum() + label.sum()), entropy))
    total, dice, entropy = supervised_loss(heads, target)
    assert (dice.item(), entropy.item()) == pytest.approx(parts[0], rel=1e-5)
    # Two thirds, one third, and nothing for the coarsest of three.
    assert total.item() == pytest.approx(2 / 3 * sum(parts[0]) + 1 / 3 * sum(parts[1]), rel=1e-5)


def test_dice_is_that_of_the_batch_rather_than_of_its_patches():
    # Right in one patch; two false voxels in the other, which has no GTV: 2 * 2 / (4 + 2).
    target = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(2, 1, 1, 1, 2)
    logits = torch.full_like(target, 50.0)
    assert dice_loss(logits, target).item() == pytest.approx(1 - 4 / 6, abs=1e-5)


def test_an_empty_batch_drawn_empty_is_perfect_and_a_false_voxel_is_not():
    target = torch.zeros(1, 1, 1, 1, 2)
    assert dice_loss(target - 50.0, target).item() == pytest.approx(0.0, abs=1e-6)
    assert dice_loss(target + 50.0, target).item() == pytest.approx(1.0, abs=1e-4)


def test_losses_of_half_precision_are_summed_in_single():
    head = torch.randn(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    target = torch.zeros(1, 1, 8, 8, 8)
    for half, single in zip(
        supervised_loss([head], target), supervised_loss([head.float()], target), strict=True
    ):
        assert half.dtype == torch.float32
        assert half == single
