"""Dice of a held-out patient: on the ingested grid, GTV outside the box counted, against the untouched label."""

import numpy as np
import pytest
import torch
from lunggtv.geometry import Grid
from lunggtv.model.network import plan_architecture
from lunggtv.model.normalisation import Normalisation
from lunggtv.train import validation
from lunggtv.train.validation import patient_dice
from lunggtv.volume import Volume

INGESTED = Grid((4, 8, 8), (5.0, 1.0, 1.0), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
PLAN = plan_architecture("residual_encoder", (5.0, 1.0, 1.0), (4, 8, 8), 2, 4, (1,))
START = (1, 2, 3)  # of the box in the ingested grid
BOX = INGESTED.cropped(START, (3, 6, 5))


def scored(monkeypatch, label: np.ndarray, probability: np.ndarray) -> float:
    """Dice of a network that gives this probability for the box."""
    monkeypatch.setattr(validation, "predict_probability", lambda *_, **__: torch.from_numpy(probability))
    metadata = {"ingested": INGESTED.to_dict(), "box_start": list(START), "box_shape": list(BOX.shape)}
    cached = Volume("1", np.zeros(BOX.shape, np.int16), BOX, None, None, metadata)
    return patient_dice(torch.nn.Linear(1, 1), PLAN, Normalisation(-1000, 200, 0, 100), cached, label)


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
