"""The loop where the device is looked at now and then only, as on CUDA: pretended on the processor."""

from dataclasses import replace

import pytest
import torch
from lunggtv.train import fit
from lunggtv.train.cases import load_cases
from lunggtv.train.fit import new_network
from lunggtv.train.optimisation import Device, start_run
from lunggtv.train.state import load_snapshots
from lunggtv.train.state_folder import StateFolder

from tests.unit.train_cases import CPU, SETTINGS, prepared, write_cohort


class Pretended(str):
    """The processor, under the name of a CUDA device."""

    type = "cuda"


def test_snapshots_are_kept_between_two_looks_at_the_device(tmp_path, monkeypatch):
    """Of 12 steps the loop looks at 5, 10 and 12; snapshots are due after 4 and 8."""
    monkeypatch.setattr(fit, "CHECK_EVERY_CUDA", 5)
    monkeypatch.setattr(fit, "HISTORY_ROWS", 1)
    settings = replace(SETTINGS, steps=12, snapshots=3)
    architecture, sampler = prepared(tmp_path / "data", steps=12, snapshots=3)
    run = start_run(new_network(architecture, 1, 0), settings)
    keeper = StateFolder(tmp_path / "state")
    fit.train(run, sampler, settings, Device(Pretended("cpu"), None), keeper, 1e9)
    assert run.step == 12 and [row[0] for row in run.history] == [12]
    steps = fit.snapshot_steps(settings)
    assert steps == [4, 8]
    assert {name.split("/")[0] for name in load_snapshots(keeper.folder, steps)} == {"00000004", "00000008"}


@pytest.mark.parametrize(
    ("home", "wanted", "works", "used"),
    [
        (Pretended("cpu"), True, torch.bfloat16, "bfloat16"),
        (Pretended("cpu"), True, torch.float16, "float16"),
        (Pretended("cpu"), True, None, "float32"),
        (Pretended("cpu"), False, torch.bfloat16, "float32"),
        (CPU, True, torch.bfloat16, "float32"),
    ],
)
def test_half_precision_is_used_where_it_is_wanted_and_the_card_does_it_right(
    tmp_path, monkeypatch, home, wanted, works, used
):
    class Told(Exception):
        pass

    def started(architecture, parameters, precision):
        raise Told(precision)

    def tried(network, shape, device):
        assert network.training and shape == SETTINGS.patch_shape and device == home
        return works

    monkeypatch.setattr(fit, "half_precision", tried)
    cases = load_cases(write_cohort(tmp_path, 1), "host", CPU)
    with pytest.raises(Told) as told:
        fit.fit(
            0, cases, replace(SETTINGS, mixed_precision=wanted), home, 1, StateFolder(tmp_path), 1e9, started
        )
    assert told.value.args == (used,)
