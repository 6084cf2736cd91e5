"""A run's state: two generations on disk, found again whole, from which training goes on to the same bytes."""

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
from lunggtv.train import loop
from lunggtv.train.loop import TrainingStopped
from lunggtv.train.run import new_network
from lunggtv.train.state import load_state, open_state_folder, save_state

from tests.unit.train_cases import SETTINGS, contents, prepared, stopping_batch, train_tiny, write_cohort


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
def test_sigterm_saves_and_stops_with_a_message(tmp_path, monkeypatch, optimiser):
    # A line of the history is the mean of five steps; the signal comes in the middle of one.
    monkeypatch.setattr(loop, "HISTORY_ROWS", 4)
    caches = write_cohort(tmp_path / "data")
    expected = contents(train_tiny(tmp_path / "whole", caches, tmp_path / "other", optimiser=optimiser))
    before = signal.getsignal(signal.SIGTERM)
    source = stopping_batch(7)
    monkeypatch.setattr(loop, "make_batch", source)
    with pytest.raises(TrainingStopped, match=r"fold 0 .* SIGTERM .* step 7 of 20"):
        train_tiny(tmp_path, caches, tmp_path / "state", optimiser=optimiser)
    assert signal.getsignal(signal.SIGTERM) == before
    assert newest_step(tmp_path / "state") == 7
    assert not (tmp_path / "weights.safetensors").exists()
    assert contents(train_tiny(tmp_path, caches, tmp_path / "state", optimiser=optimiser)) == expected
    assert len(source.calls) == 20


def test_all_that_a_run_carries_comes_back(tmp_path):
    architecture, _ = prepared(tmp_path / "data")
    run, found = (loop.start_run(new_network(architecture, seed, 0), SETTINGS) for seed in (1, 2))
    run.step, run.rate_factor, run.rollbacks, run.micro_batch = 7, 0.5, 1, 1
    run.history, run.sums = [[1.0, 2.0]], [1.0, 2.0, 3.0, 4.0]
    run.average = [tensor + 1 for tensor in run.average]
    loop.write(run, tmp_path / "state")
    assert loop.restore(found, tmp_path / "state")
    plain = ("step", "rate_factor", "rollbacks", "micro_batch", "history", "sums")
    assert set(vars(run)) == {*plain, "network", "optimiser", "average"}
    assert {key: getattr(found, key) for key in plain} == {key: getattr(run, key) for key in plain}
    for pair in zip(run.network.parameters(), found.network.parameters(), strict=True):
        assert torch.equal(*pair)
    for pair in zip(run.average, found.average, strict=True):
        assert torch.equal(*pair)


@pytest.mark.parametrize("damage", [b"torn", None])
def test_damaged_state_falls_back_to_the_one_before(tmp_path, caplog, damage):
    save_state(tmp_path, 5, {"a": torch.ones(3)}, {"x": 1})
    save_state(tmp_path, 6, {"a": torch.ones(3) * 2}, {"x": 2})
    newest = tmp_path / "state-00000006.safetensors"
    # Torn, or one bit of a number turned: readable, but not what was written.
    content = newest.read_bytes()
    newest.write_bytes(damage or content[:-1] + bytes([content[-1] ^ 1]))
    tensors, content = load_state(tmp_path)
    assert (content["step"], content["x"], tensors["a"].tolist()) == (5, 1, [1.0, 1.0, 1.0])
    assert "step 6 is damaged" in caplog.text


def test_two_generations_are_kept_and_stale_fingerprints_pruned(tmp_path):
    for step in range(5):
        save_state(tmp_path / "run", step, {"a": torch.ones(1)}, {})
    kept = sorted(path.name for path in (tmp_path / "run").glob("state-*.json"))
    assert kept == ["state-00000003.json", "state-00000004.json"]
    for number, name in enumerate("abcd"):
        folder = open_state_folder(tmp_path / "state", 0, name)
        os.utime(folder, (number, number))
    other_fold = open_state_folder(tmp_path / "state", 1, "a")
    open_state_folder(tmp_path / "state", 0, "e")
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == [
        "fold0-c",
        "fold0-d",
        "fold0-e",
        "fold1-a",
    ]
    assert other_fold.is_dir()
