"""Dice of a held-out patient: on the ingested grid, GTV outside the box counted, against the untouched label;
and that of every snapshot."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lunggtv.errors import CohortError
from lunggtv.geometry import Grid, Orientation
from lunggtv.model.architecture import plan_architecture
from lunggtv.model.normalisation import Normalisation
from lunggtv.model.weights import Model, load_card, load_model, load_tensors
from lunggtv.tables import read_tsv
from lunggtv.train.validate_fold import HeldOut, patient_dice, validate_fold
from lunggtv.volume import Volume, read_volume, write_volume

from tests.unit.train_cases import AXES, train_tiny, write_cohort

INGESTED = Grid((4, 8, 8), (5.0, 1.0, 1.0), (0.0, 0.0, 0.0), AXES)
PLAN = plan_architecture("residual_encoder", (5.0, 1.0, 1.0), (4, 8, 8), 2, 4, (1,))
START = (1, 2, 3)  # of the box in the ingested grid
BOX = INGESTED.cropped(START, (3, 6, 5))
PLACE = {
    "ingested": INGESTED.to_dict(),
    "box_start": list(START),
    "box_shape": list(BOX.shape),
    "original": INGESTED.to_dict(),
    "orientation": Orientation((0, 1, 2), (False, False, False)).to_dict(),
}


def scored(monkeypatch, label: np.ndarray, probability: np.ndarray) -> float:
    """Dice of a network that gives this probability for the box."""
    monkeypatch.setattr(
        "lunggtv.model.prediction.predict_probability", lambda *_, **__: torch.from_numpy(probability)
    )
    metadata = PLACE
    cached = Volume("1", np.zeros(BOX.shape, np.int16), BOX, None, None, metadata)
    return patient_dice(
        Model(torch.nn.Linear(1, 1), PLAN, Normalisation(-1000, 200, 0, 100), {}), cached, label
    )


def test_gtv_outside_the_box_counts_as_missed(monkeypatch):
    label = np.zeros(INGESTED.shape, np.uint8)
    label[1:3, 2:6, 1:5] = 1  # 32 voxels, of which x from 3 on is inside: 16
    probability = label[1:, 2:, 3:].astype(np.float32)
    assert scored(monkeypatch, label, probability) == pytest.approx(2 * 16 / (16 + 32))


def test_voxels_of_at_least_one_half_are_drawn(monkeypatch):
    label = np.zeros(INGESTED.shape, np.uint8)
    label[2, 4, 4:7] = 1
    probability = np.zeros(BOX.shape, np.float32)
    probability[1, 2, 1:5] = 0.5, 0.49, 0.9, 0.6
    # Two of three voxels found, and one beside them.
    assert scored(monkeypatch, label, probability) == pytest.approx(2 * 2 / (3 + 3))


def test_nothing_drawn_is_right_for_nothing_and_wrong_for_a_gtv(monkeypatch):
    label, nothing = np.zeros(INGESTED.shape, np.uint8), np.zeros(BOX.shape, np.float32)
    assert scored(monkeypatch, label, nothing) == 1.0
    assert scored(monkeypatch, label, nothing + 1) == 0.0
    label[2, 4, 4] = 1
    assert scored(monkeypatch, label, nothing) == 0.0


def test_the_network_gets_the_normalised_ct_and_the_draft_lies_on_the_ingested_grid(monkeypatch):
    cached_grid = Grid((3, 3, 5), (5.0, 2.0, 1.0), (3.0, 2.5, 5.0), AXES)  # pairs of the box's rows
    ct = np.arange(45, dtype=np.int16).reshape(3, 3, 5) * 40 - 1100
    given = {}

    def predicted(network, image, **arguments):
        given.update(arguments, image=image)
        probability = torch.zeros(3, 3, 5)
        probability[1, 1] = 1.0
        return probability

    monkeypatch.setattr("lunggtv.model.prediction.predict_probability", predicted)
    metadata = PLACE
    label = np.zeros(INGESTED.shape, np.uint8)
    label[2, 4:6, 3:8] = 1  # the two rows that the cache's middle row stands for
    cached = Volume("1", ct, cached_grid, None, None, metadata)
    model = Model(torch.nn.Linear(1, 1), PLAN, Normalisation(-1000, 200, -50, 100), {})
    dice = patient_dice(model, cached, label)
    assert dice == 1.0
    expected = (np.clip(ct.astype(np.float32), -1000, 200) + 50) / 100
    np.testing.assert_allclose(given.pop("image").numpy(), expected, rtol=1e-6)
    assert given == {"patch_shape": PLAN.patch_shape, "divisor": 1, "air": -9.5, "reduced": None}


@pytest.fixture
def fold(tmp_path, monkeypatch):
    """Files of three steps of fold 1, what validates it on patient 4."""
    caches = write_cohort(tmp_path / "data", 4)
    cache = caches.pop("4")
    files = train_tiny(tmp_path, caches, tmp_path / "state", fold=1, seed=6, steps=3)
    held_out = {"4": HeldOut(cache, cache.replace("cache", "ingest"))}
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)

    def validate(**changes):
        outputs = {name: tmp_path / name for name in ("validation", "described")}
        arguments = {"held_out": held_out, "device": "cpu"} | changes
        validate_fold(
            fold=1, weights=files.weights, card=files.card, snapshots=files.snapshots,
            validation=outputs["validation"], model=outputs["described"], **arguments,
        )  # fmt: skip
        return outputs

    return files, validate


def test_every_snapshot_is_scored_with_its_own_weights(fold, monkeypatch):
    files, validate = fold
    seen = []

    def scored(model, cached, label):
        seen.append(next(model.network.parameters()).detach().clone())
        assert not model.network.training
        return len(seen) / 10

    monkeypatch.setattr("lunggtv.train.validate_fold.patient_dice", scored)
    outputs = validate()
    rows = [(row["step"], row["patient"], float(row["dice"])) for row in read_tsv(outputs["validation"])]
    assert rows == [("1", "4", 0.1), ("2", "4", 0.2), ("3", "4", 0.3)]
    table, final = load_tensors(files.snapshots), load_tensors(files.weights)
    name = next(iter(load_model(files.weights, files.card).network.state_dict()))
    for found, expected in zip(
        seen, (table[f"00000001/{name}"], table[f"00000002/{name}"], final[name]), strict=True
    ):
        assert torch.equal(found, expected.float())


def test_labels_come_from_the_ingested_volume_untouched(fold, tmp_path, monkeypatch):
    _, validate = fold
    labels = []
    monkeypatch.setattr(
        "lunggtv.train.validate_fold.patient_dice", lambda *given: labels.append(given[-1]) or 0.5
    )
    path = tmp_path / "data" / "4.ingest.h5"
    whole = read_volume(path, "ingest")
    other = np.zeros_like(whole.label)
    other[2, 3, 4] = 1
    write_volume(path, "ingest", replace(whole, label=other))
    validate()
    assert all(np.array_equal(label, other) for label in labels)
    write_volume(path, "ingest", replace(whole, label=None))
    with pytest.raises(CohortError, match=r"Patient 4 .*4\.ingest\.h5.* no label"):
        validate()


def test_held_out_patients_of_now_are_described(fold, monkeypatch, caplog):
    threads = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    files, validate = fold
    caplog.set_level("INFO")
    dice = iter((0.1, 0.3, 0.2, 0.6, 0.7, 0.9))
    monkeypatch.setattr("lunggtv.train.validate_fold.patient_dice", lambda *_: next(dice))
    ingest = str(files.card).replace("card.json", "data/4.ingest.h5")
    held = HeldOut(ingest.replace("ingest", "cache"), ingest)
    outputs = validate(held_out={"5": held, "4": held}, threads=3)
    assert threads[0] == 3
    assert load_card(outputs["described"])["held_out_patients"] == ["5", "4"]
    rows = read_tsv(outputs["validation"])
    assert [(row["step"], row["patient"]) for row in rows] == [(s, p) for s in "123" for p in "54"]
    for step, mean in ((1, "0.200"), (2, "0.400"), (3, "0.800")):
        assert f"fold 1: step {step}, mean Dice of 2 patients {mean}" in caplog.text
