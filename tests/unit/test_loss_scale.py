"""Training in float16: the loss is enlarged so that small gradients survive, and what overflows is left out."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lunggtv.errors import TrainingFailed, TrainingStopped
from lunggtv.train import fit
from lunggtv.train.fit import new_network, train
from lunggtv.train.optimisation import Device, Run, one_step, start_run
from lunggtv.train.state_folder import StateFolder

from tests.unit.train_cases import CPU, SETTINGS, prepared

HALF = Device(CPU, torch.float16)
STEPS = replace(SETTINGS, steps=6)


@pytest.fixture(scope="module")
def fold(tmp_path_factory):
    """Plan and sampler of a fold."""
    return prepared(tmp_path_factory.mktemp("cohort"))


def started(fold, precision: torch.dtype | None = torch.float16) -> Run:
    return start_run(new_network(fold[0], 1, 0).train(), STEPS, precision)


def test_a_step_in_float16_is_that_of_float32_but_for_rounding(fold):
    exact, half = started(fold, None), started(fold)
    for run, device in ((exact, Device(CPU, None)), (half, HALF)):
        parts = one_step(run, run.network, fold[1], STEPS, device)
    before = [parameter.detach() for parameter in new_network(fold[0], 1, 0).parameters()]
    moved = [
        torch.cat(
            [
                (new - old).detach().reshape(-1)
                for new, old in zip(run.network.parameters(), before, strict=True)
            ]
        )
        for run in (exact, half)
    ]
    assert torch.nn.functional.cosine_similarity(*moved, dim=0) > 0.99
    assert moved[1].norm() / moved[0].norm() == pytest.approx(1, abs=0.05)
    # The norm that is told and clipped is that of the gradients, not of the enlarged ones.
    assert 0 < parts[3] < 100 and half.scaler.get_scale() == 2.0**16


def test_no_other_precision_enlarges_anything(fold):
    for precision in (None, torch.bfloat16):
        run = started(fold, precision)
        assert not run.scaler.is_enabled() and run.scaler.state_dict() == {}


def test_a_step_that_overflows_is_left_out_and_told_as_none(fold):
    run = started(fold)
    run.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    before = [parameter.detach().clone() for parameter in run.network.parameters()]
    parts = one_step(run, run.network, fold[1], STEPS, HALF)
    assert all(map(torch.equal, before, run.network.parameters()))
    assert torch.isfinite(parts).all() and parts[3] == 0
    assert run.scaler.get_scale() == 2.0**39


def test_gradients_that_overflow_at_any_scale_end_the_training(fold, tmp_path, monkeypatch):
    run = started(fold)
    run.scaler = torch.amp.GradScaler("cpu", init_scale=0.5)
    with pytest.raises(TrainingFailed):
        train(run, fold[1], STEPS, HALF, StateFolder(tmp_path), 1e9)


def test_a_stopped_training_goes_on_bit_by_bit_with_its_scale(fold, tmp_path, monkeypatch):
    def scaled() -> Run:
        run = started(fold)
        run.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2)
        return run

    whole = scaled()
    train(whole, fold[1], STEPS, HALF, StateFolder(_new(tmp_path / "a")), 1e9)
    assert whole.scaler.get_scale() > 2.0**10

    class Stopping:
        def __enter__(self):
            return [15]

        def __exit__(self, *_):
            return None

    keeper = StateFolder(_new(tmp_path / "b"))
    with monkeypatch.context() as patch:
        patch.setattr(fit.progress, "stop_requests", Stopping)
        for _ in range(3):
            with pytest.raises(TrainingStopped):
                train(scaled(), fold[1], STEPS, HALF, keeper, 1e9)
    resumed = scaled()
    train(resumed, fold[1], STEPS, HALF, keeper, 1e9)
    assert resumed.scaler.state_dict() == whole.scaler.state_dict()
    assert all(map(torch.equal, resumed.network.parameters(), whole.network.parameters()))


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
