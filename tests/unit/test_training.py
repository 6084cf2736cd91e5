"""A fold's training: learns, resumes to the bit, survives what goes wrong, sees no held-out patient."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lunggtv.errors import CohortError, ConfigError, DamagedFile
from lunggtv.model.device import claimed_device
from lunggtv.model.network import plan_architecture
from lunggtv.model.weights import load_model, load_tensors
from lunggtv.storage import read_tsv
from lunggtv.train import loop
from lunggtv.train.batches import Sampler, make_batch
from lunggtv.train.data import choose_residency, load_cases
from lunggtv.train.device import training_bytes
from lunggtv.train.loop import HISTORY_COLUMNS, TrainingFailed, TrainingStopped, snapshot_steps
from lunggtv.train.losses import dice_loss, supervised_loss, supervision_weights
from lunggtv.train.progress import Clock
from lunggtv.train.run import prepare
from lunggtv.train.settings import TrainSettings, spacing_of
from lunggtv.train.state import load_state, open_state_folder, save_state
from lunggtv.train.validation import HeldOut, validate_fold
from train_cases import SETTINGS, contents, train_tiny, write_cohort, write_patient

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One uninterrupted training that other tests compare with."""
    root = tmp_path_factory.mktemp("trained")
    caches = write_cohort(root / "data")
    files = train_tiny(root / "out", caches, root / "state")
    return root, caches, files, contents(files)


def test_files_keep_their_contract(trained):
    root, caches, files, _ = trained
    card = json.loads(Path(files.model).read_text(encoding="utf-8"))
    assert card["train_patients"] == ["1", "2", "3"]
    assert card["held_out_patients"] == ["9"]
    assert set(card["cache_digests"]) == set(caches)
    assert (card["seed"], card["steps"], card["spacing_mm"]) == (1, 20, [6.0, 3.0, 3.0])
    assert set(card["versions"]) >= {"torch", "numpy"}
    text = Path(files.model).read_text(encoding="utf-8")
    assert str(root) not in text
    history = read_tsv(files.history)
    assert tuple(history[0]) == HISTORY_COLUMNS
    assert [int(row["step"]) for row in history] == list(range(1, 21))
    assert float(history[-1]["loss"]) < float(history[0]["loss"])
    steps = {name.partition("/")[0] for name in load_tensors(files.snapshots)}
    assert steps == {"00000007", "00000013"}
    model = load_model(files.weights, files.model)
    assert model.architecture.patch_shape == (8, 16, 16)


def test_training_learns_and_is_validated_on_the_way_back(tmp_path):
    caches = write_cohort(tmp_path / "data", 4)
    held_out = {"4": caches.pop("4")}
    settings = {"steps": 150, "optimiser": "adamw", "learning_rate": 0.02}
    files = train_tiny(tmp_path, caches, tmp_path / "state", held_out=["4"], **settings)
    pairs = {p: HeldOut(path, path.replace("cache", "ingest")) for p, path in held_out.items()}
    outputs = [tmp_path / name for name in ("validation.tsv", "curves.svg", "augmentation.png", "model.json")]

    def validate():
        validate_fold(
            0, files.weights, files.model, files.snapshots, files.history, pairs, caches,
            replace(SETTINGS, **settings), *outputs, device="cpu",
        )  # fmt: skip
        return [path.read_bytes() for path in outputs]

    first = validate()
    rows = read_tsv(outputs[0])
    assert [(row["step"], row["patient"]) for row in rows] == [("50", "4"), ("100", "4"), ("150", "4")]
    assert float(rows[-1]["dice"]) > 0.7
    assert validate() == first
    with pytest.raises(CohortError, match="trained on 1"):
        pairs["1"] = HeldOut(caches["1"], caches["1"].replace("cache", "ingest"))
        validate()


def test_repeated_training_is_bit_identical(trained, tmp_path):
    _, caches, _, expected = trained
    assert contents(train_tiny(tmp_path, caches, tmp_path / "state")) == expected


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


def stopping_batch(call: int):
    """``make_batch`` that asks this process to stop at the given call."""
    calls = []

    def batch_with_signal(sampler, indices):
        calls.append(indices)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGTERM)
        return make_batch(sampler, indices)

    batch_with_signal.calls = calls
    return batch_with_signal


def test_sigterm_saves_and_stops_with_a_message(trained, tmp_path, monkeypatch):
    _, caches, _, expected = trained
    before = signal.getsignal(signal.SIGTERM)
    source = stopping_batch(7)
    monkeypatch.setattr(loop, "make_batch", source)
    with pytest.raises(TrainingStopped, match=r"fold 0 .* SIGTERM .* step 7 of 20"):
        train_tiny(tmp_path, caches, tmp_path / "state")
    assert signal.getsignal(signal.SIGTERM) == before
    assert newest_step(tmp_path / "state") == 7
    assert not (tmp_path / "weights.safetensors").exists()
    assert contents(train_tiny(tmp_path, caches, tmp_path / "state")) == expected
    assert len(source.calls) == 20


def test_finished_fold_is_restored_without_training(trained, tmp_path, monkeypatch):
    root, caches, _, expected = trained
    monkeypatch.setattr(loop, "make_batch", None)
    files = train_tiny(tmp_path, caches, root / "state", held_out=["9", "10"])
    restored = contents(files)
    assert {k: v for k, v in restored.items() if k != "model"} == {
        k: v for k, v in expected.items() if k != "model"
    }
    # Who is held out does not shape the weights, but the card says who is held out now.
    card = json.loads(restored["model"])
    assert card["held_out_patients"] == ["9", "10"]


def test_damaged_copy_of_a_finished_fold_is_trained_again(trained, tmp_path):
    _, caches, _, expected = trained
    train_tiny(tmp_path, caches, tmp_path / "state")
    (copy,) = (tmp_path / "state").glob("*/finished/weights.safetensors")
    copy.write_bytes(b"cut off")
    assert contents(train_tiny(tmp_path, caches, tmp_path / "state")) == expected


@pytest.mark.parametrize("change", [{"seed": 2}, {"learning_rate": 0.03}, {"code": {"train": "cd"}}])
def test_other_content_starts_fresh(trained, tmp_path, change):
    _, caches, _, expected = trained
    train_tiny(tmp_path, caches, tmp_path / "state", steps=2)
    other = contents(train_tiny(tmp_path, caches, tmp_path / "state", **change))
    assert len(list((tmp_path / "state").iterdir())) == 2
    same_weights = other["weights"] == expected["weights"]
    assert same_weights == ("code" in change)


def test_changed_bytes_of_a_training_patient_start_fresh(trained, tmp_path):
    _, _, _, expected = trained
    caches = write_cohort(tmp_path / "data")
    assert contents(train_tiny(tmp_path, caches, tmp_path / "state"))["weights"] == expected["weights"]
    write_patient(tmp_path / "data", "3", (12, 30, 30))
    assert contents(train_tiny(tmp_path, caches, tmp_path / "state"))["weights"] != expected["weights"]


def test_held_out_patients_change_no_bit_of_the_weights(trained, tmp_path):
    _, caches, _, expected = trained
    other = contents(train_tiny(tmp_path, caches, tmp_path / "state", held_out=["somebody", "else"]))
    assert other["weights"] == expected["weights"]
    assert other["snapshots"] == expected["snapshots"]
    assert other["history"] == expected["history"]


def test_damaged_state_falls_back_to_the_one_before(tmp_path, caplog):
    save_state(tmp_path, 5, {"a": torch.ones(3)}, {"x": 1})
    save_state(tmp_path, 6, {"a": torch.ones(3) * 2}, {"x": 2})
    (tmp_path / "state-00000006.safetensors").write_bytes(b"torn")
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


def failing(monkeypatch, calls_that_fail, change):
    """Let the loss of some calls go wrong; counts calls."""
    calls = []

    def wrapped(heads, target):
        calls.append(len(calls))
        result = supervised_loss(heads, target)
        return change(result) if calls[-1] in calls_that_fail else result

    monkeypatch.setattr(loop, "supervised_loss", wrapped)
    return calls


def test_nan_once_rolls_back_at_half_the_rate(trained, tmp_path, monkeypatch, caplog):
    _, caches, _, _ = trained
    failing(monkeypatch, {9}, lambda r: (r[0] * float("nan"), *r[1:]))
    files = train_tiny(tmp_path, caches, tmp_path / "state", save_every_s=0.0)
    rates = [float(row["learning_rate"]) for row in read_tsv(files.history)]
    assert len(rates) == 20
    assert rates[9] == pytest.approx(0.5 * 0.02 * (1 - 9 / 20) ** 0.9, rel=1e-4)
    assert "back to step 9" in caplog.text
    assert all(torch.isfinite(t).all() for t in load_tensors(files.weights).values())


def test_nan_twice_fails_naming_fold_steps_patients_and_files(trained, tmp_path, monkeypatch):
    _, caches, _, _ = trained
    failing(monkeypatch, {4, 5}, lambda r: (r[0] * float("inf"), *r[1:]))
    with pytest.raises(TrainingFailed, match=r"Fold 0.*steps 5 and 5.*patients.*cache\.h5"):
        train_tiny(tmp_path, caches, tmp_path / "state", save_every_s=0.0)


def out_of_memory(result):
    raise torch.OutOfMemoryError("simulated")


def test_out_of_memory_halves_the_batch_and_goes_on(trained, tmp_path, monkeypatch, caplog):
    _, caches, _, _ = trained
    calls = failing(monkeypatch, {3}, out_of_memory)
    files = train_tiny(tmp_path, caches, tmp_path / "state")
    assert "1 of 2 patches" in caplog.text
    # 3 whole steps, the failed one, then 17 steps in two parts.
    assert len(calls) == 3 + 1 + 17 * 2
    assert len(read_tsv(files.history)) == 20


def test_a_resumed_run_keeps_the_halved_batch(trained, tmp_path, monkeypatch):
    _, caches, _, _ = trained
    calls = failing(monkeypatch, {3}, out_of_memory)
    monkeypatch.setattr(loop, "make_batch", stopping_batch(12))
    with pytest.raises(TrainingStopped, match=r"step 7 of 20"):
        train_tiny(tmp_path, caches, tmp_path / "state")
    before = len(calls)
    train_tiny(tmp_path, caches, tmp_path / "state")
    assert len(calls) - before == 13 * 2


def test_out_of_memory_for_one_patch_says_what_to_lower(trained, tmp_path, monkeypatch):
    _, caches, _, _ = trained
    failing(monkeypatch, {0, 1}, out_of_memory)
    with pytest.raises(TrainingFailed, match=r"patch_shape"):
        train_tiny(tmp_path, caches, tmp_path / "state")


def test_samples_are_the_same_from_host_and_disk(trained):
    _, caches, _, _ = trained
    batches = []
    for residency in ("host", "stream", "device"):
        cases = load_cases(caches, residency, CPU)
        _, sampler = prepare(0, cases, SETTINGS)
        batches.append([make_batch(sampler, range(i, i + 2)) for i in range(0, 12, 2)])
    for other in batches[1:]:
        for (ct, label), (other_ct, other_label) in zip(batches[0], other, strict=True):
            assert torch.equal(ct, other_ct)
            assert torch.equal(label, other_label)


def test_a_batch_is_its_samples(trained):
    _, caches, _, _ = trained
    _, sampler = prepare(0, load_cases(caches, "host", CPU), SETTINGS)
    together, _ = make_batch(sampler, range(4))
    apart = torch.cat([make_batch(sampler, range(i, i + 1))[0] for i in range(4)])
    assert torch.allclose(together, apart, atol=1e-3)


def test_residency_follows_the_memory_free():
    assert choose_residency(1000, CPU, 0.25, 0.5) == "host"
    assert choose_residency(10**15, CPU, 0.25, 0.5) == "stream"


def test_monai_network_trains_through_the_same_loop(trained, tmp_path):
    _, caches, _, _ = trained
    network = replace(SETTINGS.network, name="dynunet")
    files = train_tiny(tmp_path, caches, tmp_path / "state", network=network, steps=3)
    assert load_model(files.weights, files.model).architecture.name == "dynunet"


def test_unlabelled_or_missing_patients_are_named(tmp_path):
    with pytest.raises(CohortError, match="at least one"):
        load_cases({}, "host", CPU)
    (tmp_path / "5.cache.h5").write_bytes(b"no volume")
    with pytest.raises(DamagedFile, match=r"5\.cache\.h5"):
        train_tiny(tmp_path, {"5": str(tmp_path / "5.cache.h5")}, tmp_path / "state")


def test_cuda_asked_for_and_absent_is_a_message(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="cuda"), claimed_device("cuda"):
        pass
    with claimed_device("auto") as device:
        assert device == CPU


def test_two_jobs_never_share_a_cuda_device(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr("lunggtv.model.device._lock_path", lambda index: tmp_path / f"{index}.lock")
    with claimed_device("auto") as first, claimed_device("auto") as second:
        assert [first, second] == [torch.device("cuda", 0), torch.device("cuda", 1)]
    with claimed_device("auto") as again:
        assert again == first, "the lock ends with the job"
    claims = []

    def third_job():
        with claimed_device("auto") as device:
            claims.append(device)

    waiting = threading.Thread(target=third_job)
    with claimed_device("cuda:1"):
        with claimed_device("cuda:0"):
            waiting.start()
            waiting.join(0.2)
            assert not claims, "with more jobs than devices the third waits"
        waiting.join(10)
    assert claims == [first]


def test_memory_is_estimated_before_the_start():
    # The default network: 14.0 GB of float32 features by saved-tensor hooks, five copies of 102 million weights.
    plan = plan_architecture("residual_encoder", (5.0, 1.17, 1.17), (48, 160, 192), 32, 320, (1, 3, 4, 6))
    assert training_bytes(plan, 2, 101_666_885, False) == pytest.approx(14.0e9 + 2.0e9, rel=0.1)
    assert training_bytes(plan, 2, 0, True) == training_bytes(plan, 2, 0, False) // 2


def test_progress_is_told_with_what_a_user_waits_for(trained, tmp_path, monkeypatch, caplog, capsys):
    _, caches, _, _ = trained
    caplog.set_level("INFO")
    train_tiny(tmp_path, caches, tmp_path / "state", steps=6)
    start, *lines = [record.message for record in caplog.records if record.message.startswith("fold 0: ")]
    assert re.search(
        r"3 patients \(kept in host memory\), training on cpu; patches of 8 x 16 x 16 voxels", start
    )
    assert re.search(r"0\.0 million weights, about \d+\.\d GB of memory$", start)
    pattern = (
        r"fold 0: step (\d)/6, loss \d\.\d{4}, batch Dice 0\.\d{3}, [\d.]+ patches/s, 0 min (\d+) s left"
    )
    assert [re.fullmatch(pattern, line)[1] for line in lines] == list("123456")
    assert re.fullmatch(pattern, lines[-1])[2] == "0"
    # The terminal gets the start, the first line, and then one every half minute.
    assert capsys.readouterr().err.splitlines() == [start, lines[0]]


def test_lines_come_by_the_clock_where_steps_are_slow(monkeypatch, caplog, capsys):
    caplog.set_level("INFO")
    now = [1000.0]
    monkeypatch.setattr("lunggtv.train.progress.time.monotonic", lambda: now[0])
    clock = Clock(100)
    for step in range(101, 111):
        now[0] += 20.0
        clock.tell(3, step, replace(SETTINGS, steps=1000), 0.5, 0.25, always=False)
    told = capsys.readouterr().err.splitlines()
    assert [record.message for record in caplog.records] == told
    assert [int(line.split()[3].split("/")[0]) for line in told] == [101, 103, 105, 107, 109]
    assert told[0].endswith("loss 0.5000, batch Dice 0.250, 0.10 patches/s, 4 h 59 min left")


def test_failing_compiler_is_reported_and_done_without(trained, tmp_path, monkeypatch, caplog):
    _, caches, _, expected = trained

    def no_compiler(network, dynamic):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", no_compiler)
    files = train_tiny(tmp_path, caches, tmp_path / "state", compile=True)
    assert contents(files)["weights"] == expected["weights"]
    assert "no C++ compiler" in caplog.text


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


def test_snapshots_are_evenly_spread_before_the_end():
    assert snapshot_steps(replace(SETTINGS, steps=100, snapshots=4)) == [25, 50, 75]
    assert snapshot_steps(replace(SETTINGS, steps=100, snapshots=1)) == []
    assert snapshot_steps(replace(SETTINGS, steps=2, snapshots=9)) == [1]


def test_swapped_range_is_a_config_error():
    section = SETTINGS.to_dict()
    section["augmentation"] = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in section["augmentation"].items()
    }
    assert TrainSettings.from_config(section) == SETTINGS
    section["augmentation"]["scale"] = [1.3, 0.8]
    with pytest.raises(ConfigError, match=r"augmentation\.scale"):
        TrainSettings.from_config(section)


def test_median_spacing():
    assert spacing_of([(5.0, 1.0, 1.2), (3.0, 1.1, 1.0), (5.0, 1.3, 1.1)]) == (5.0, 1.1, 1.1)
    assert spacing_of([(5.0, 1.0, 1.0), (3.0, 2.0, 2.0)]) == (3.0, 1.0, 1.0)


def test_normalisation_uses_training_patients_alone(trained):
    _, caches, _, _ = trained
    _, sampler = prepare(0, load_cases(caches, "host", CPU), SETTINGS)
    _, fewer = prepare(0, load_cases({"1": caches["1"]}, "host", CPU), SETTINGS)
    assert isinstance(sampler, Sampler)
    assert sampler.normalisation != fewer.normalisation
    assert np.isclose(sampler.normalisation.mean_hu, 30, atol=5)


def test_the_same_ct_under_two_names_is_refused_and_known_to_the_card(trained, tmp_path):
    _, caches, files, _ = trained
    card = json.loads(Path(files.model).read_text(encoding="utf-8"))
    assert len(card["ct_digests"]) == len(caches)
    twin = tmp_path / "twin.h5"
    twin.write_bytes(Path(caches["1"]).read_bytes())
    with pytest.raises(CohortError, match=r"1 and twin have the same CT.*data\.exclude"):
        train_tiny(tmp_path, {**caches, "twin": str(twin)}, tmp_path / "state")
