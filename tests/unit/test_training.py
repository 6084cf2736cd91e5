"""A fold's training: learns, resumes to the bit, survives what goes wrong, sees no held-out patient."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lunggtv.errors import CohortError
from lunggtv.model.network import plan_architecture
from lunggtv.model.weights import load_model, load_tensors
from lunggtv.storage import read_tsv
from lunggtv.train import loop
from lunggtv.train.device import training_bytes
from lunggtv.train.loop import HISTORY_COLUMNS
from lunggtv.train.progress import Clock
from lunggtv.train.run import new_network
from lunggtv.train.validation import HeldOut, validate_fold

from tests.unit.train_cases import SETTINGS, contents, train_tiny, write_cohort, write_patient


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


def test_monai_network_trains_through_the_same_loop(trained, tmp_path):
    _, caches, _, _ = trained
    network = replace(SETTINGS.network, name="dynunet")
    files = train_tiny(tmp_path, caches, tmp_path / "state", network=network, steps=3)
    assert load_model(files.weights, files.model).architecture.name == "dynunet"


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


def test_the_same_ct_under_two_names_is_refused_and_known_to_the_card(trained, tmp_path):
    _, caches, files, _ = trained
    card = json.loads(Path(files.model).read_text(encoding="utf-8"))
    assert len(card["ct_digests"]) == len(caches)
    twin = tmp_path / "twin.h5"
    twin.write_bytes(Path(caches["1"]).read_bytes())
    with pytest.raises(CohortError, match=r"1 and twin have the same CT.*data\.exclude"):
        train_tiny(tmp_path, {**caches, "twin": str(twin)}, tmp_path / "state")


def test_card_tells_the_range_of_spacings_axis_by_axis(tmp_path):
    (tmp_path / "data").mkdir()
    spacings = [(6.0, 3.0, 3.0), (5.0, 3.2, 2.8), (5.5, 2.9, 3.0)]
    caches = {
        str(n): write_patient(tmp_path / "data", str(n), spacing_mm=spacing)
        for n, spacing in enumerate(spacings, start=1)
    }
    files = train_tiny(tmp_path, caches, tmp_path / "state", steps=1)
    card = json.loads(Path(files.model).read_text(encoding="utf-8"))
    assert card["spacing_range_mm"] == [[5.0, 2.9, 2.8], [6.0, 3.2, 3.0]]
    assert card["spacing_mm"] == [5.5, 3.0, 3.0]


def test_initial_weights_are_drawn_from_seed_and_fold():
    plan = plan_architecture("residual_encoder", (6.0, 3.0, 3.0), (8, 16, 16), 4, 8, (1,))
    first = [
        next(new_network(plan, seed, fold).parameters()) for seed, fold in ((1, 0), (1, 0), (1, 1), (2, 0))
    ]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2]) and not torch.equal(first[0], first[3])
