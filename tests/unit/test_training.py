"""A fold's training: learns, resumes to the bit, survives what goes wrong, sees no held-out patient."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lunggtv.errors import CohortError
from lunggtv.model.weights import load_model, load_tensors
from lunggtv.report.picture_curves import picture_curves
from lunggtv.tables import read_tsv
from lunggtv.train.fit import HISTORY_COLUMNS
from lunggtv.train.picture_samples import picture_samples
from lunggtv.train.validate_fold import HeldOut, validate_fold

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
    card = json.loads(Path(files.card).read_text(encoding="utf-8"))
    assert card["train_patients"] == ["1", "2", "3"]
    assert set(card["cache_digests"]) == set(caches)
    assert (card["seed"], card["steps"], card["spacing_mm"]) == (1, 20, [6.0, 3.0, 3.0])
    assert set(card["versions"]) >= {"torch", "numpy"}
    text = Path(files.card).read_text(encoding="utf-8")
    assert str(root) not in text
    history = read_tsv(files.history)
    assert tuple(history[0]) == HISTORY_COLUMNS
    assert [int(row["step"]) for row in history] == list(range(1, 21))
    assert float(history[-1]["loss"]) < float(history[0]["loss"])
    steps = {name.partition("/")[0] for name in load_tensors(files.snapshots)}
    assert steps == {"00000007", "00000013"}
    model = load_model(files.weights, files.card)
    assert model.architecture.patch_shape == (8, 16, 16)


def test_training_learns_and_is_validated_on_the_way_back(tmp_path):
    caches = write_cohort(tmp_path / "data", 4)
    held_out = {"4": caches.pop("4")}
    settings = {"steps": 150, "optimiser": "adamw", "learning_rate": 0.02}
    files = train_tiny(tmp_path, caches, tmp_path / "state", **settings)
    pairs = {p: HeldOut(path, path.replace("cache", "ingest")) for p, path in held_out.items()}
    outputs = [tmp_path / name for name in ("validation.tsv", "curves.svg", "augmentation.png", "model.json")]

    validation, curves, augmentation, described = outputs

    def validate():
        validate_fold(
            fold=0, weights=files.weights, card=files.card, snapshots=files.snapshots, held_out=pairs,
            validation=validation, model=described, device="cpu",
        )  # fmt: skip
        picture_curves(fold=0, history=files.history, validation=validation, picture=curves)
        picture_samples(samples=files.samples, card=files.card, picture=augmentation)
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
    monkeypatch.setattr("lunggtv.train.optimisation.make_batch", None)
    restored = contents(train_tiny(tmp_path, caches, root / "state", config={"steps": 20, "told": 1}))
    # What does not shape the weights is brought up to date.
    assert json.loads(restored.pop("card"))["config"] == {"steps": 20, "told": 1}
    assert restored == {name: content for name, content in expected.items() if name != "card"}


def test_damaged_copy_of_a_finished_fold_is_trained_again(trained, tmp_path):
    _, caches, _, expected = trained
    train_tiny(tmp_path, caches, tmp_path / "state")
    (copy,) = (tmp_path / "state").glob("*/finished/weights.safetensors")
    copy.write_bytes(b"cut off")
    assert contents(train_tiny(tmp_path, caches, tmp_path / "state")) == expected


@pytest.mark.parametrize("change", [{"seed": 2}, {"learning_rate": 0.03}, {"identity": {"train": "cd"}}])
def test_other_content_starts_fresh(trained, tmp_path, change):
    _, caches, _, _ = trained
    one, other = (
        contents(train_tiny(tmp_path, caches, tmp_path / "state", steps=2, **changes))
        for changes in ({}, change)
    )
    assert len(list((tmp_path / "state").iterdir())) == 2
    assert (other["weights"] == one["weights"]) == ("identity" in change)


def test_changed_bytes_of_a_training_patient_start_fresh(trained, tmp_path):
    _, _, _, expected = trained
    caches = write_cohort(tmp_path / "data")
    assert contents(train_tiny(tmp_path, caches, tmp_path / "state"))["weights"] == expected["weights"]
    write_patient(tmp_path / "data", "3", (12, 30, 30))
    assert contents(train_tiny(tmp_path, caches, tmp_path / "state"))["weights"] != expected["weights"]


def test_monai_network_trains_through_the_same_loop(trained, tmp_path):
    _, caches, _, _ = trained
    network = replace(SETTINGS.network, name="dynunet")
    files = train_tiny(tmp_path, caches, tmp_path / "state", network=network, steps=3)
    assert load_model(files.weights, files.card).architecture.name == "dynunet"


def test_failing_compiler_is_reported_and_done_without(trained, tmp_path, monkeypatch, caplog):
    _, caches, _, expected = trained

    def no_compiler(network, dynamic):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", no_compiler)
    files = train_tiny(tmp_path, caches, tmp_path / "state", compile=True)
    assert contents(files)["weights"] == expected["weights"]
    assert "no C++ compiler" in caplog.text


def test_a_compiler_that_fails_in_the_backward_pass_is_done_without(trained, tmp_path, monkeypatch, caplog):
    """What is tried is what training does: gradients, at its own batch."""
    _, caches, _, expected = trained
    shapes = []

    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise RuntimeError("no kernel for the backward pass")

    def compile_half(network, dynamic):
        def fast(x):
            shapes.append(tuple(x.shape))
            return [Broken.apply(head) for head in network(x)]

        return fast

    monkeypatch.setattr(torch, "compile", compile_half)
    files = train_tiny(tmp_path, caches, tmp_path / "state", compile=True)
    assert contents(files)["weights"] == expected["weights"]
    assert "no kernel for the backward pass" in caplog.text
    assert shapes == [(2, 1, 8, 16, 16)]


def test_too_little_memory_for_a_compiled_step_is_left_to_the_step(trained, tmp_path, monkeypatch, caplog):
    _, caches, _, _ = trained
    calls = []

    def compile_greedy(network, dynamic):
        def fast(x):
            calls.append(len(x))
            if len(x) > 1:
                raise torch.OutOfMemoryError("simulated")
            return network(x)

        return fast

    monkeypatch.setattr(torch, "compile", compile_greedy)
    train_tiny(tmp_path, caches, tmp_path / "state", compile=True, steps=2)
    assert calls == [2, 2, 1, 1, 1, 1]
    assert "1 of 2 patches" in caplog.text and "does not work" not in caplog.text
