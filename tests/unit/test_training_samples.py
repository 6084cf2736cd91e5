"""From caches to batches: the same samples from memory and disk, each its own, of the training patients alone."""

import numpy as np
import pytest
import torch
from lunggtv.errors import CohortError, DamagedFile
from lunggtv.train import batches
from lunggtv.train.batches import Sampler, make_batch
from lunggtv.train.data import choose_residency, load_cases
from lunggtv.train.run import prepare

from tests.unit.train_cases import CPU, SETTINGS, train_tiny, write_cohort


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"))


def test_samples_are_the_same_from_host_and_disk(caches):
    found = []
    for residency in ("host", "stream", "device"):
        cases = load_cases(caches, residency, CPU)
        _, sampler = prepare(0, cases, SETTINGS)
        found.append([make_batch(sampler, range(i, i + 2)) for i in range(0, 12, 2)])
    for other in found[1:]:
        for (ct, label), (other_ct, other_label) in zip(found[0], other, strict=True):
            assert torch.equal(ct, other_ct)
            assert torch.equal(label, other_label)


def test_a_batch_is_its_samples(caches):
    _, sampler = prepare(0, load_cases(caches, "host", CPU), SETTINGS)
    together, _ = make_batch(sampler, range(4))
    apart = torch.cat([make_batch(sampler, range(i, i + 1))[0] for i in range(4)])
    assert torch.allclose(together, apart, atol=1e-3)


def test_residency_follows_the_memory_free():
    assert choose_residency(1000, CPU, 0.25, 0.5) == "host"
    assert choose_residency(10**15, CPU, 0.25, 0.5) == "stream"


def test_unlabelled_or_missing_patients_are_named(tmp_path):
    with pytest.raises(CohortError, match="at least one"):
        load_cases({}, "host", CPU)
    (tmp_path / "5.cache.h5").write_bytes(b"no volume")
    with pytest.raises(DamagedFile, match=r"5\.cache\.h5"):
        train_tiny(tmp_path, {"5": str(tmp_path / "5.cache.h5")}, tmp_path / "state")


def test_normalisation_uses_training_patients_alone(caches):
    _, sampler = prepare(0, load_cases(caches, "host", CPU), SETTINGS)
    _, fewer = prepare(0, load_cases({"1": caches["1"]}, "host", CPU), SETTINGS)
    assert isinstance(sampler, Sampler)
    assert sampler.normalisation != fewer.normalisation
    assert np.isclose(sampler.normalisation.mean_hu, 30, atol=5)


def test_every_sample_of_a_batch_is_changed_in_its_own_way(caches, monkeypatch):
    _, sampler = prepare(0, load_cases(caches, "host", CPU), SETTINGS)
    drawn, plan = [], batches.plan_reach
    monkeypatch.setattr(batches, "plan_reach", lambda change, *a: drawn.append(change) or plan(change, *a))
    make_batch(sampler, range(8))
    assert len({change.noise_seed for change in drawn}) == 8
