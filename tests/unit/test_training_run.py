"""What a fold's training starts from, and what its card says of it."""

import hashlib
import json
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from lunggtv.errors import CohortError
from lunggtv.model.architecture import plan_architecture
from lunggtv.model.network import build_network
from lunggtv.model.numerics import numerics
from lunggtv.model.weights import load_card
from lunggtv.train import cases
from lunggtv.train.fit import new_network
from lunggtv.volume import read_volume

from tests.unit.train_cases import array_digest, contents, train_tiny, write_cohort, write_patient

PLAN = plan_architecture("residual_encoder", (6.0, 3.0, 3.0), (8, 16, 16), 4, 8, (1,))


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"))


def sha256(path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_card_says_who_taught_the_model_from_which_bytes_code_and_settings(caches, tmp_path):
    files = train_tiny(tmp_path, caches, tmp_path / "state", fold=2, seed=5, steps=1)
    volumes = [read_volume(path, "cache") for path in caches.values()]
    gtv = [volume.ct[volume.label > 0].astype(float) for volume in volumes]
    mean = np.mean([values.mean() for values in gtv])
    card = load_card(files.card)
    normalisation = card.pop("normalisation")
    assert card == {
        "architecture": json.loads(json.dumps(PLAN.to_dict())),
        "cache_digests": {patient: sha256(path) for patient, path in caches.items()},
        "code": {"train": "ab"},
        "config": {"steps": 1},
        "ct_digests": sorted(array_digest(volume.ct) for volume in volumes),
        "fold": 2,
        "schema": 1,
        "seed": 5,
        "spacing_mm": [6.0, 3.0, 3.0],
        "spacing_range_mm": [[6.0, 3.0, 3.0], [6.0, 3.0, 3.0]],
        "steps": 1,
        "train_patients": ["1", "2", "3"],
        "versions": {
            name: metadata.version(name).partition("+")[0]
            for name in ("h5py", "numpy", "safetensors", "torch")
        },
        "weights_sha256": sha256(files.weights),
    }
    # The tumours' spread of 30 HU is held at 50, their brightest voxels lie below 150 HU.
    assert normalisation == {
        "lower_hu": -1000.0, "upper_hu": 150.0, "mean_hu": pytest.approx(mean, abs=1e-3), "std_hu": 50.0,
    }  # fmt: skip


def test_card_tells_the_range_of_spacings_axis_by_axis(tmp_path):
    spacings = [(6.0, 3.0, 3.0), (5.0, 3.2, 2.8), (5.5, 2.9, 3.0)]
    caches = {
        str(n): write_patient(tmp_path, str(n), spacing_mm=spacing)
        for n, spacing in enumerate(spacings, start=1)
    }
    card = load_card(train_tiny(tmp_path, caches, tmp_path / "state", steps=1).card)
    assert card["spacing_range_mm"] == [[5.0, 2.9, 2.8], [6.0, 3.2, 3.0]]
    assert card["spacing_mm"] == [5.5, 3.0, 3.0]


def test_the_same_ct_under_two_names_is_refused(caches, tmp_path):
    twin = tmp_path / "twin.h5"
    twin.write_bytes(Path(caches["1"]).read_bytes())
    with pytest.raises(CohortError, match=r"1 and twin have the same CT.*data\.exclude"):
        train_tiny(tmp_path, {**caches, "twin": str(twin)}, tmp_path / "state")


def test_initial_weights_are_drawn_from_seed_and_fold():
    before = torch.random.get_rng_state()
    starts = ((1, 0), (1, 1), (2, 0))
    first = [next(new_network(PLAN, seed, fold).parameters()) for seed, fold in starts]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first[0], next(new_network(PLAN, 1, 0).parameters()))
    torch.manual_seed(3002)
    assert torch.equal(next(new_network(PLAN, 3, 2).parameters()), next(build_network(PLAN).parameters()))
    torch.random.set_rng_state(before)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not torch.equal(first[one], first[other])


def test_training_starts_from_the_weights_of_its_seed_and_fold(caches, tmp_path, monkeypatch):
    starts, step = [], torch.optim.SGD.step

    def noting(self, *arguments):
        starts.append([p.detach().clone() for p in self.param_groups[0]["params"]])
        step(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", noting)
    train_tiny(tmp_path, caches, tmp_path / "state", fold=2, seed=5, steps=1)
    expected = new_network(PLAN, 5, 2).parameters()
    assert all(torch.equal(a, b) for a, b in zip(starts[0], expected, strict=True))


def test_volumes_are_streamed_where_they_do_not_fit_and_change_no_byte(caches, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    needed = 3 * 3 * 12 * 28 * 30  # bytes: three patients' int16 CT and uint8 label
    found = []
    for free in (2 * needed, 2 * needed - 1):
        monkeypatch.setattr(cases, "_host_bytes_free", lambda free=free: free)
        found.append(contents(train_tiny(tmp_path, caches, tmp_path / f"state{free}", steps=2)))
    assert found[0] == found[1]
    assert caplog.text.index("kept in host memory") < caplog.text.index("streamed from disk")
    train_tiny(tmp_path, caches, tmp_path / "device", steps=1, residency="device")
    assert "kept on the device" in caplog.text


@pytest.mark.parametrize("deterministic", [True, False])
def test_threads_and_determinism_hold_for_a_while(monkeypatch, deterministic):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    before = torch.get_num_threads()
    torch.use_deterministic_algorithms(not deterministic)
    try:
        with numerics(deterministic, before + 2):
            assert torch.get_num_threads() == before + 2
            assert torch.are_deterministic_algorithms_enabled() == deterministic
            assert torch.backends.cudnn.benchmark != deterministic
            assert not torch.utils.deterministic.fill_uninitialized_memory
        assert torch.utils.deterministic.fill_uninitialized_memory
        assert torch.get_num_threads() == before
        assert torch.are_deterministic_algorithms_enabled() != deterministic
    finally:
        torch.use_deterministic_algorithms(False)
