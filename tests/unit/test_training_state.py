"""A run's state: two generations on disk, found again whole, from which training goes on to the same bytes."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from lunggtv.errors import TrainingStopped
from lunggtv.model.numerics import place_network
from lunggtv.train import fit
from lunggtv.train.batches import make_batch
from lunggtv.train.fit import new_network
from lunggtv.train.optimisation import start_run
from lunggtv.train.state import (
    fingerprint_of,
    keep_finished,
    load_state,
    open_state_folder,
    restore_finished,
    save_snapshot,
    save_state,
)
from lunggtv.train.state_folder import StateFolder

from tests.unit.train_cases import CPU, SETTINGS, contents, prepared, stopping_batch, train_tiny, write_cohort


def test_killed_at_random_moments_it_ends_bit_identical(tmp_path):
    steps = 60
    caches = write_cohort(tmp_path / "data")
    expected = contents(train_tiny(tmp_path / "whole", caches, tmp_path / "other", steps=steps))
    command = [sys.executable, str(Path(__file__).with_name("train_cases.py")), str(tmp_path), str(steps)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "workflow")}
    reached = [0]
    for wanted in (random.randrange(5, 15), random.randrange(25, 35)):
        with subprocess.Popen(command, env=environment) as process:
            while process.poll() is None and newest_step(tmp_path / "state") < wanted:
                time.sleep(0.002)
            time.sleep(random.random() * 0.02)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        reached.append(newest_step(tmp_path / "state"))
    assert 0 < reached[1] < reached[2] < steps
    assert contents(train_tiny(tmp_path / "killed", caches, tmp_path / "state", steps=steps)) == expected


def newest_step(state: Path) -> int:
    return max((int(re.findall(r"\d+", path.name)[0]) for path in state.glob("*/state-*.json")), default=0)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_sigterm_saves_and_stops_with_a_message(tmp_path, monkeypatch, caplog, optimiser):
    caplog.set_level("INFO")
    # A line of the history is the mean of five steps; the signal comes in the middle of one.
    monkeypatch.setattr(fit, "HISTORY_ROWS", 4)
    caches = write_cohort(tmp_path / "data")
    expected = contents(train_tiny(tmp_path / "whole", caches, tmp_path / "other", optimiser=optimiser))
    before = signal.getsignal(signal.SIGTERM)
    source = stopping_batch(7)
    monkeypatch.setattr("lunggtv.train.optimisation.make_batch", source)
    with pytest.raises(TrainingStopped, match=r"fold 0 .* SIGTERM .* step 7 of 20"):
        train_tiny(tmp_path, caches, tmp_path / "state", optimiser=optimiser)
    assert signal.getsignal(signal.SIGTERM) == before
    assert newest_step(tmp_path / "state") == 7
    assert not (tmp_path / "weights.safetensors").exists()
    assert contents(train_tiny(tmp_path, caches, tmp_path / "state", optimiser=optimiser)) == expected
    assert len(source.calls) == 20
    assert "fold 0: resumed at step 7 of 20" in caplog.text


@pytest.mark.parametrize(("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")])
def test_either_signal_stops_but_after_the_last_step(tmp_path, monkeypatch, number, name):
    caches = write_cohort(tmp_path / "data")
    before = signal.getsignal(number)
    monkeypatch.setattr("lunggtv.train.optimisation.make_batch", stopping_batch(2, number))
    with pytest.raises(TrainingStopped, match=rf"asked to stop by {name} .* step 2 of 3"):
        train_tiny(tmp_path, caches, tmp_path / "state", steps=3)
    monkeypatch.setattr("lunggtv.train.optimisation.make_batch", stopping_batch(1, number))
    assert Path(train_tiny(tmp_path, caches, tmp_path / "state", steps=3).weights).exists()
    assert signal.getsignal(number) == before


def test_states_are_as_far_apart_as_asked(tmp_path, monkeypatch):
    now, written = [0.0], []

    def slow_batch(sampler, indices):
        now[0] += 10.0
        return make_batch(sampler, indices)

    monkeypatch.setattr("lunggtv.train.progress.time.monotonic", lambda: now[0])
    monkeypatch.setattr("lunggtv.train.optimisation.make_batch", slow_batch)
    monkeypatch.setattr(
        "lunggtv.train.state_folder.save_state", lambda folder, step, *_: written.append(step)
    )
    train_tiny(tmp_path, write_cohort(tmp_path / "data"), tmp_path / "state", steps=8, save_every_s=25.0)
    assert written == [0, 3, 6]


def test_all_that_a_run_carries_comes_back(tmp_path):
    architecture, _ = prepared(tmp_path / "data")
    run, found = (
        start_run(place_network(new_network(architecture, seed, 0), CPU), SETTINGS) for seed in (1, 2)
    )
    speeds = [torch.full_like(parameter, 0.5) for parameter in run.network.parameters()]
    for parameter, speed in zip(run.network.parameters(), speeds, strict=True):
        run.optimiser.state[parameter]["momentum_buffer"] = speed
    run.step, run.rate_factor, run.rollbacks, run.micro_batch = 7, 0.5, 1, 1
    run.history, run.sums = [[1.0, 2.0]], [1.0, 2.0, 3.0, 4.0]
    run.average = [tensor + 1 for tensor in run.average]
    run.scaler, found.scaler = (torch.amp.GradScaler("cpu", init_scale=scale) for scale in (8.0, 2.0))
    StateFolder(tmp_path / "state").write(run)
    assert StateFolder(tmp_path / "state").restore(found)
    plain = ("step", "rate_factor", "rollbacks", "micro_batch", "history", "sums")
    assert set(vars(run)) == {*plain, "network", "optimiser", "average", "scaler"}
    assert {key: getattr(found, key) for key in plain} == {key: getattr(run, key) for key in plain}
    assert found.scaler.get_scale() == 8.0
    for pair in zip(run.network.parameters(), found.network.parameters(), strict=True):
        assert torch.equal(*pair)
    for pair in zip(run.average, found.average, strict=True):
        assert torch.equal(*pair)
    for parameter, speed in zip(found.network.parameters(), speeds, strict=True):
        restored = found.optimiser.state[parameter]["momentum_buffer"]
        assert torch.equal(restored, speed) and restored.stride() == parameter.stride()


def other_bit(path: Path) -> None:
    """A bit of the last number turned: readable, but not what was written."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".safetensors", lambda path: path.write_bytes(b"torn")),
        (".safetensors", other_bit),
        (".safetensors", Path.unlink),
        (".json", lambda path: path.write_text("{")),
        (".json", lambda path: path.write_text("{}")),
    ],
    ids=["torn", "a bit", "missing", "torn card", "empty card"],
)
def test_damaged_state_falls_back_to_the_one_before(tmp_path, caplog, suffix, damage):
    for step in (5, 6):
        save_state(tmp_path, step, {"a": torch.full((3,), float(step))}, {"x": step})
    damage(tmp_path / f"state-00000006{suffix}")
    tensors, content = load_state(tmp_path)
    assert (content["step"], content["x"], tensors["a"].tolist()) == (5, 5, [5.0, 5.0, 5.0])
    assert "step 6 is damaged" in caplog.text
    damage(tmp_path / f"state-00000005{suffix}")
    assert load_state(tmp_path) is None


def test_fingerprints_tell_content_apart_whatever_its_order():
    one = fingerprint_of({"a": 1, "b": {"c": 2, "d": [1, 2]}})
    assert one == fingerprint_of({"b": {"d": [1, 2], "c": 2}, "a": 1})
    assert re.fullmatch("[0-9a-f]{16}", one)
    assert len({fingerprint_of({"a": n}) for n in range(1000)}) == 1000


def kept_fold(root: Path) -> tuple[Path, dict[str, Path]]:
    """A finished fold's folder and its two files, as a run that wrote states and snapshots leaves them."""
    files = {name: root / name for name in ("weights.safetensors", "model.json")}
    for path in files.values():
        path.write_text(f"content of {path.name}", encoding="utf-8")
    folder = open_state_folder(root / "state", 0, "ab")
    save_state(folder, 1, {"a": torch.ones(1)}, {})
    save_snapshot(folder, 1, {"a": torch.ones(1)})
    keep_finished(folder, files)
    return folder, files


def test_a_finished_fold_keeps_its_files_alone_and_gives_them_back(tmp_path):
    folder, files = kept_fold(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["finished", "finished.json"]
    for path in files.values():
        path.unlink()
    assert restore_finished(folder, files)
    for path in files.values():
        assert path.read_text(encoding="utf-8") == f"content of {path.name}"


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("finished/weights.safetensors", other_bit),
        ("finished/model.json", other_bit),
        ("finished/model.json", Path.unlink),
        ("finished.json", lambda path: path.write_text("{")),
        ("finished.json", lambda path: path.write_text("{}")),
        ("finished.json", Path.unlink),
    ],
)
def test_a_finished_fold_with_a_damaged_copy_is_not_given_back(tmp_path, name, damage):
    folder, files = kept_fold(tmp_path)
    damage(folder / name)
    for path in files.values():
        path.unlink()
    assert not restore_finished(folder, files)
    assert not any(path.exists() for path in files.values())


def test_two_generations_are_kept_and_stale_fingerprints_pruned(tmp_path):
    for step in range(5):
        save_state(tmp_path / "run", step, {"a": torch.ones(1)}, {})
    kept = [f"state-0000000{step}.{suffix}" for step in (3, 4) for suffix in ("json", "safetensors")]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == kept
    for number, name in enumerate("abcd"):
        folder = open_state_folder(tmp_path / "state", 0, name)
        os.utime(folder, (number, number))
    other_fold = open_state_folder(tmp_path / "state", 1, "a")
    (tmp_path / "state" / "fold0-notes").write_text("by hand", encoding="utf-8")
    open_state_folder(tmp_path / "state", 0, "e")
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == [
        "fold0-c",
        "fold0-d",
        "fold0-e",
        "fold0-notes",
        "fold1-a",
    ]
    assert other_fold.is_dir()


def test_a_state_of_another_layout_is_left_aside_and_the_run_begins_anew(tmp_path, caplog):
    architecture, _ = prepared(tmp_path / "data")
    run, fresh = (start_run(new_network(architecture, seed, 0), SETTINGS) for seed in (1, 2))
    before = [parameter.detach().clone() for parameter in fresh.network.parameters()]
    keeper = StateFolder(tmp_path / "state")
    keeper.write(run)
    (path,) = (tmp_path / "state").glob("state-*.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["rollbacks"]
    path.write_text(json.dumps(content), encoding="utf-8")
    assert not keeper.restore(fresh)
    keeper.write(run)
    tensors, content = load_state(keeper.folder)
    last = list(dict(run.network.named_parameters()))[-1]
    for gone in (f"network/{last}", f"average/{len(run.average) - 1}"):
        save_state(keeper.folder, 1, {name: one for name, one in tensors.items() if name != gone}, content)
        assert not keeper.restore(fresh)
    for gone in ("scaler", "sums"):
        save_state(keeper.folder, 1, tensors, {key: one for key, one in content.items() if key != gone})
        assert not keeper.restore(fresh)
    assert "another layout" in caplog.text
    assert all(torch.equal(*pair) for pair in zip(before, fresh.network.parameters(), strict=True))
    save_state(keeper.folder, 1, {"network/other": torch.zeros(1)}, dict.fromkeys(vars(run), 0))
    assert not keeper.restore(fresh)


def test_the_same_patients_in_another_order_are_another_training(tmp_path):
    """The order decides which samples are drawn."""
    caches = write_cohort(tmp_path / "data")
    one = contents(train_tiny(tmp_path / "a", caches, tmp_path / "state", steps=2))
    other = contents(train_tiny(tmp_path / "b", dict(reversed(caches.items())), tmp_path / "state", steps=2))
    assert one["weights"] != other["weights"]
    alone = contents(train_tiny(tmp_path / "c", dict(reversed(caches.items())), tmp_path / "apart", steps=2))
    assert other["weights"] == alone["weights"]
