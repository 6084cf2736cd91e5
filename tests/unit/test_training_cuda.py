"""The loop where the device is looked at now and then only, as on CUDA: pretended on the processor."""

from dataclasses import replace

from lunggtv.train import fit
from lunggtv.train.state import load_snapshots
from lunggtv.train.train_fold import new_network

from tests.unit.train_cases import SETTINGS, prepared


class Pretended(str):
    """The processor, under the name of a CUDA device."""

    type = "cuda"


def test_snapshots_are_kept_between_two_looks_at_the_device(tmp_path, monkeypatch):
    """Of 12 steps the loop looks at 5, 10 and 12; snapshots are due after 4 and 8."""
    monkeypatch.setattr(fit, "CHECK_EVERY_CUDA", 5)
    monkeypatch.setattr(fit, "HISTORY_ROWS", 1)
    settings = replace(SETTINGS, steps=12, snapshots=3)
    architecture, sampler = prepared(tmp_path / "data", steps=12, snapshots=3)
    around = fit.Surroundings(tmp_path / "state", Pretended("cpu"), False, 1e9, False)
    run = fit.start_run(new_network(architecture, 1, 0), settings)
    fit.train(run, sampler, settings, around)
    assert run.step == 12 and [row[0] for row in run.history] == [12]
    steps = fit.snapshot_steps(settings)
    assert steps == [4, 8]
    assert {name.split("/")[0] for name in load_snapshots(around.folder, steps)} == {"00000004", "00000008"}
