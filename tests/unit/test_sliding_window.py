"""Prediction of a box: windows cover it, blending is exact, padding is air."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lunggtv.model import sliding_window
from lunggtv.model.sliding_window import gaussian_window, predict_probability, window_starts, window_thickness
from torch import nn


class Voxelwise(nn.Module):
    """A network whose logit is its input: any correct tiling gives the sigmoid of the box."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(x)
        return x


def box(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def predict(network, ct, **over):
    arguments = {"patch_shape": (8, 16, 16), "divisor": 2, "air": -7.0} | over
    return predict_probability(network, ct, **arguments)


def test_worked_example_of_starts():
    assert window_starts(110, 64) == [0, 23, 46]
    # Steps of 14.2 voxels, each rounded by itself.
    assert window_starts(101, 30) == [0, 14, 28, 43, 57, 71]
    assert window_starts(64, 64) == [0]
    assert window_starts(10, 64) == [0]


def test_worked_example_of_thickness():
    assert window_thickness(60, 48, 8) == 64  # one instead of two of 48
    assert window_thickness(64, 48, 16) == 64
    assert window_thickness(65, 48, 8) == 48  # two of at least 48 either way
    assert window_thickness(48, 48, 8) == window_thickness(10, 48, 8) == 48
    assert window_thickness(60, 48, 32) == 64
    assert window_thickness(60, 50, 16) == 64  # a patch that is none of its multiples stays possible, too
    assert window_thickness(40, 50, 16) == 50
    assert window_thickness(60, 48, 24) == 48  # 72 would be too thick
    assert window_thickness(42, 24, 4) == 28  # 2 x 28 instead of 3 x 24
    assert window_thickness(43, 24, 4) == 32  # 2 x 32; of 28 it would take three


@given(st.integers(1, 400), st.integers(4, 200), st.integers(1, 32))
def test_windows_are_thicker_only_where_less_is_computed_in_fewer_of_them(length, patch, divisor):
    thickness = window_thickness(length, patch, divisor)
    assert patch <= thickness <= patch * 4 / 3 and (thickness == patch or thickness % divisor == 0)
    own, plain = (len(window_starts(length, edge)) for edge in (thickness, patch))
    assert (thickness == patch) or (own < plain and own * thickness < plain * patch)


def test_a_box_a_little_thicker_than_the_patch_takes_one_row_of_windows():
    network, ct = Voxelwise(), box(10, 16, 24)
    assert torch.allclose(predict(network, ct), torch.sigmoid(ct), atol=1e-6)
    assert [tuple(x.shape) for x in network.seen] == [(2, 1, 10, 16, 16)]
    thicker = box(10, 20, 16)
    predict(network := Voxelwise(), thicker)  # never within the slices
    assert [tuple(x.shape[2:]) for x in network.seen] == [(10, 16, 16)]
    predict(network := Voxelwise(), box(10, 16, 16), divisor=3)
    # Nine slices do not hold ten, and twelve are too thick: two windows of eight.
    assert [tuple(x.shape) for x in network.seen] == [(2, 1, 8, 16, 16)]


@given(st.integers(1, 400), st.integers(4, 200))
def test_windows_cover_the_axis_and_overlap_by_half(length, window):
    starts = window_starts(length, window)
    assert starts[0] == 0
    assert starts[-1] + window == max(length, window)
    assert all(0 < b - a <= window / 2 + 1 for a, b in pairwise(starts))


@pytest.mark.parametrize("shape", [(20, 37, 41), (5, 9, 7), (8, 16, 16)])
def test_voxelwise_network_is_returned_unchanged(shape):
    ct = box(*shape)
    predicted = predict(Voxelwise(), ct)
    assert predicted.shape == ct.shape
    assert predicted.dtype == torch.float32
    assert torch.allclose(predicted, torch.sigmoid(ct), atol=1e-6)


def test_small_box_lies_in_the_middle_of_air():
    network, ct = Voxelwise(), box(4, 10, 6)
    predict(network, ct)
    (seen,) = network.seen
    assert seen.shape[1:] == (1, 8, 16, 16)
    assert torch.equal(seen[0, 0, 2:6, 3:13, 5:11], ct)
    assert (seen[0] == -7.0).sum() == 8 * 16 * 16 - 4 * 10 * 6


@pytest.mark.parametrize(("largest_vox", "together"), [(8 * 16 * 16, 2), (8 * 16 * 16 - 1, 1)])
def test_large_windows_go_alone_on_a_cpu(monkeypatch, largest_vox, together):
    monkeypatch.setattr(sliding_window, "LARGE_WINDOW_VOX", largest_vox)
    network, ct = Voxelwise(), box(8, 16, 40)
    assert torch.allclose(predict(network, ct), torch.sigmoid(ct), atol=1e-6)
    assert [len(x) for x in network.seen] == [together] * (4 // together)


def test_gaussian_has_a_sigma_of_an_eighth_of_the_window_and_never_vanishes():
    weight = gaussian_window((9, 17, 33))
    assert weight.shape == (9, 17, 33)
    # The middle voxel weighs 1; along each axis exp(-d^2 / 2) at d sigmas from it.
    assert weight[4, 8, 16] == 1
    for voxel, sigmas in (((6, 8, 16), 2 / (9 / 8)), ((4, 10, 16), 2 / (17 / 8)), ((4, 8, 20), 4 / (33 / 8))):
        assert weight[voxel].item() == pytest.approx(np.exp(-0.5 * sigmas**2), rel=1e-5)
    assert torch.allclose(weight, weight.flip(0, 1, 2))
    assert weight.min().item() == pytest.approx(1e-3)


def test_even_windows_weigh_1_in_the_middle_too():
    assert gaussian_window((8, 16, 16))[3:5, 7:9, 7:9].tolist() == [[[1.0] * 2] * 2] * 2


class FirstVoxel(nn.Module):
    """A network whose logit is the first voxel of its window everywhere."""

    def forward(self, x):
        return x[..., :1, :1, :1].expand_as(x)


def test_windows_are_blended_as_logits_by_their_gaussians():
    ct = torch.zeros(8, 16, 24)
    ct[0, 0, 0], ct[0, 0, 8] = -2.0, 3.0  # the first voxels of two windows, eight voxels apart in x
    predicted = predict(FirstVoxel(), ct)
    z, y, x = np.meshgrid(*(np.arange(n) for n in ct.shape), indexing="ij")
    across = ((z - 3.5) / 1) ** 2 + ((y - 7.5) / 2) ** 2  # sigmas of one slice and two voxels
    corner = 1 / 16 * 2 + 1 / 4 / 1  # a Gaussian is 1 at the voxels nearest to the middle
    first, second = (
        np.maximum(np.exp(-0.5 * (across + ((x - middle) / 2) ** 2 - corner)), 1e-3) * within
        for middle, within in ((7.5, x < 16), (15.5, x >= 8))
    )
    logit = (-2.0 * first + 3.0 * second) / (first + second)
    assert torch.allclose(predicted, torch.sigmoid(torch.from_numpy(logit).float()), atol=1e-4)


@pytest.mark.parametrize(("threads", "together"), [(1, 2), (2, 1)])
def test_on_one_thread_a_small_window_is_not_computed_alone(monkeypatch, threads, together):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    network, ct = Voxelwise(), box(8, 16, 16)
    assert torch.allclose(predict(network, ct), torch.sigmoid(ct), atol=1e-6)
    assert [len(x) for x in network.seen] == [together]


@pytest.mark.parametrize("reduced", [torch.float16, torch.bfloat16])
def test_reduced_precision_is_for_the_network_alone(reduced):
    network, kinds = nn.Conv3d(1, 1, 1), []
    network.register_forward_hook(lambda _, __, output: kinds.append(output.dtype))
    predicted = [predict(network, box(8, 16, 16), reduced=kind) for kind in (None, reduced)]
    assert kinds == [torch.float32, reduced]
    assert predicted[1].dtype == torch.float32
    assert torch.allclose(*predicted, atol=0.01)


def test_wrong_type_or_shape_is_refused():
    with pytest.raises(ValueError, match="float32"):
        predict(Voxelwise(), box(8, 8, 8).double())
    with pytest.raises(ValueError, match=r"\(1, 8, 8, 8\)"):
        predict(Voxelwise(), box(1, 8, 8, 8))
