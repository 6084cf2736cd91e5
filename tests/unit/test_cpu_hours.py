"""A training that would take days on a CPU is not begun, and says so with the ways out."""

from dataclasses import replace

import pytest
import torch
from lunggtv.errors import TrainingFailed
from lunggtv.model.architecture import plan_architecture
from lunggtv.train import cpu_hours
from lunggtv.train.cpu_hours import measured_flops, pass_flops, refuse_days, trial_shape

from tests.unit.train_cases import SETTINGS, train_tiny, write_cohort

DEFAULT = plan_architecture("residual_encoder", (5.0, 1.17, 1.17), (48, 160, 192), 32, 320, (1, 3, 4, 6))
SMALL = plan_architecture("residual_encoder", (6.0, 3.0, 3.0), (8, 16, 16), 4, 8, (1,))


def test_operations_of_the_default_network():
    """10.7 TFLOP a step of two patches, as counted by hand once."""
    assert pass_flops(DEFAULT, DEFAULT.patch_shape) == pytest.approx(5.353e12, rel=1e-3)


def test_operations_grow_with_the_patch():
    once, twice = (pass_flops(SMALL, (8 * n, 16, 16)) for n in (1, 2))
    assert twice == 2 * once > 0


def test_the_trial_is_the_smallest_patch_with_a_norm_to_take():
    assert trial_shape(DEFAULT) == (16, 64, 64)
    assert trial_shape(SMALL) == (4, 8, 8)


def test_the_rate_is_that_of_the_passes_timed(monkeypatch):
    now, threads = [0.0], []

    def one_pass(network, patch):
        if patch.device.type == "cpu":
            assert network.training and patch.shape == (1, 1, 4, 8, 8)
            threads.append(torch.get_num_threads())
            now[0] += 0.7

    monkeypatch.setattr(cpu_hours.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(cpu_hours, "_one_pass", one_pass)
    monkeypatch.setattr(cpu_hours, "pass_flops", lambda architecture, shape: 1000)
    before, state = torch.get_num_threads(), torch.random.get_rng_state()
    assert measured_flops(SMALL, before + 1) == pytest.approx(3 * 1000 / 2.1)
    assert threads == 3 * [before + 1] and torch.get_num_threads() == before
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_real_trial_has_a_rate():
    assert measured_flops(SMALL, 1) > 1e6


@pytest.fixture
def rated(monkeypatch):
    """A machine of 10 GFLOP/s, and how often it was tried."""
    tried = []
    monkeypatch.setattr(
        cpu_hours, "measured_flops", lambda architecture, threads: tried.append(threads) or 1e10
    )
    return tried


def test_days_are_refused_with_the_ways_out(rated):
    # 5.353 TFLOP x 2 patches x 1,000 steps at 10 GFLOP/s: 1,070,600 s, 297 h.
    settings = replace(SETTINGS, steps=1000, batch=2)
    with pytest.raises(TrainingFailed) as caught:
        refuse_days(3, DEFAULT, settings, 2, 24)
    text = str(caught.value)
    assert (
        "Fold 3: on this CPU (2 threads) its 1000 steps would take about 297 hours, and 24 are allowed"
        in text
    )
    assert "GPU" in text and "profiles/demo/small.yaml" in text and "train_fold:cpu_hours=357" in text
    refuse_days(3, DEFAULT, settings, 2, 298)
    assert rated == [2, 2]


def test_what_no_machine_takes_days_for_is_not_tried(rated):
    # 10.7 TFLOP a step at 1 GFLOP/s and thread: 8 steps are 23.8 h of one thread, 16 of two.
    refuse_days(0, DEFAULT, replace(SETTINGS, steps=8, batch=2), 1, 24)
    refuse_days(0, DEFAULT, replace(SETTINGS, steps=16, batch=2), 2, 24)
    assert not rated
    refuse_days(0, DEFAULT, replace(SETTINGS, steps=9, batch=2), 1, 24)
    assert rated == [1]


def test_it_is_told_before_any_voxel_is_read(rated, tmp_path, monkeypatch):
    monkeypatch.setattr("lunggtv.train.train_fold.load_cases", None)
    monkeypatch.setattr(cpu_hours, "SLOWEST_FLOPS", 1.0)
    with pytest.raises(TrainingFailed, match=r"Fold 0: .* 20 steps"):
        train_tiny(tmp_path, write_cohort(tmp_path / "data"), tmp_path / "state", cpu_hours=1e-9)
