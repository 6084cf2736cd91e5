"""From caches to batches: the same samples from memory and disk, each its own, of the training patients alone."""

import errno
import fcntl
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import psutil
import pytest
import torch
from lunggtv.errors import CohortError, DamagedFile
from lunggtv.train import batches, cases
from lunggtv.train.augmentation import change_intensity, draw_augmentation, plan_reach
from lunggtv.train.batches import Sampler, make_batch, patients_of
from lunggtv.train.cases import choose_residency, count_voxels, load_cases
from lunggtv.train.fit import prepare
from lunggtv.train.sampling import AUGMENTATION, Window, draw_window, stream
from lunggtv.volume import read_volume, write_volume

from tests.unit.train_cases import CPU, SETTINGS, train_tiny, write_cohort, write_patient


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


def test_residency_follows_the_memory_free(monkeypatch):
    # Three bytes a voxel, int16 CT and uint8 label: 200 voxels are half of the host's and a quarter of the device's.
    monkeypatch.setattr(cases, "_host_bytes_free", lambda: 1200)
    assert [choose_residency(n, CPU, 0.25, 0.5, 10**9) for n in (200, 201)] == ["host", "stream"]
    cuda = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2400, 10**9))
    assert [choose_residency(n, cuda, 0.25, 0.5, 1800) for n in (200, 201)] == ["device", "stream"]
    assert choose_residency(200, cuda, 0.2, 0.5, 1800) == "host"
    # What training takes itself is left free.
    assert choose_residency(200, cuda, 0.25, 0.5, 1801) == "host"


def test_free_memory_of_the_host_is_what_can_be_had_without_swapping(monkeypatch):
    told = SimpleNamespace(total=921_600, free=10_240, available=102_400)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: told)
    # 102,400 bytes, of which half is 17,066 voxels.
    assert [choose_residency(n, CPU, 0.25, 0.5, 10**9) for n in (17_066, 17_067)] == ["host", "stream"]


def test_where_the_free_memory_is_not_known_caches_are_read_as_they_are_needed(monkeypatch, caplog):
    def hidden():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/meminfo")

    monkeypatch.setattr(psutil, "virtual_memory", hidden)
    assert choose_residency(1, CPU, 0.25, 0.5, 10**9) == "stream"
    assert "free memory of this machine is not known" in caplog.text


@pytest.mark.parametrize("residency", ["host", "stream"])
def test_caches_are_read_on_file_systems_without_locks(tmp_path, residency):
    path = write_patient(tmp_path, "4")
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # whoever asks for a lock of HDF5's kind is refused
        assert count_voxels({"4": path}) == 12 * 28 * 30
        (case,) = load_cases({"4": path}, residency, CPU)
        assert case.read((0, 0, 0), (1, 1, 1))[0].shape == (1, 1, 1)


def test_voxels_are_counted_over_all_patients(tmp_path):
    caches = {"1": write_patient(tmp_path, "1"), "2": write_patient(tmp_path, "2", (10, 20, 24))}
    assert count_voxels(caches) == 12 * 28 * 30 + 10 * 20 * 24
    with h5py.File(tmp_path / "3.h5", "w"):
        pass
    with pytest.raises(DamagedFile, match=r"3\.h5: cannot be read"):
        count_voxels({**caches, "3": str(tmp_path / "3.h5")})


def test_a_case_is_what_its_file_says(tmp_path):
    path = write_patient(tmp_path, "4", (10, 20, 24), (5.0, 2.5, 3.5))
    volume = read_volume(path, "cache")
    (case,) = load_cases({"4": path}, "host", CPU)
    assert (case.patient, case.path, case.shape, case.spacing_mm) == (
        "4",
        path,
        (10, 20, 24),
        (5.0, 2.5, 3.5),
    )
    marked = np.zeros(volume.label.size, np.uint8)
    marked[case.foreground] = 1
    assert np.array_equal(marked.reshape(volume.label.shape), volume.label)
    ct, label = case.read((1, 2, 3), (4, 9, 20))
    assert np.array_equal(ct.numpy(), volume.ct[1:4, 2:9, 3:20])
    assert np.array_equal(label.numpy(), volume.label[1:4, 2:9, 3:20])


def test_unlabelled_or_missing_patients_are_named(tmp_path):
    with pytest.raises(CohortError, match="at least one"):
        load_cases({}, "host", CPU)
    whole = read_volume(write_patient(tmp_path, "4"), "cache")
    write_volume(tmp_path / "4.h5", "cache", replace(whole, label=None))
    with pytest.raises(CohortError, match=r"Patient 4 .*4\.h5.* has no label"):
        load_cases({"4": str(tmp_path / "4.h5")}, "host", CPU)
    (tmp_path / "5.cache.h5").write_bytes(b"no volume")
    with pytest.raises(DamagedFile, match=r"5\.cache\.h5"):
        train_tiny(tmp_path, {"5": str(tmp_path / "5.cache.h5")}, tmp_path / "state")


def test_normalisation_uses_training_patients_alone(caches):
    _, sampler = prepare(0, load_cases(caches, "host", CPU), SETTINGS)
    _, fewer = prepare(0, load_cases({"1": caches["1"]}, "host", CPU), SETTINGS)
    assert isinstance(sampler, Sampler)
    assert sampler.normalisation != fewer.normalisation
    assert np.isclose(sampler.normalisation.mean_hu, 30, atol=5)


@pytest.fixture(scope="module")
def unlike(tmp_path_factory):
    """A sampler of fold 2 with patients of unlike boxes and spacings, where every sample is changed."""
    folder = tmp_path_factory.mktemp("unlike")
    caches = {
        "1": write_patient(folder, "1"),
        "2": write_patient(folder, "2", (14, 24, 40), (5.0, 3.2, 2.8)),
        "3": write_patient(folder, "3", (10, 36, 26), (4.0, 2.5, 3.5)),
    }
    every = replace(SETTINGS.augmentation, elastic_share=1.0, elastic_spacing_mm=10.0)
    settings = replace(SETTINGS, seed=7, foreground_share=0.8, augmentation=every)
    return prepare(2, load_cases(caches, "host", CPU), settings)[1]


def window_of(sampler, index) -> Window:
    shapes, foregrounds = ([getattr(c, name) for c in sampler.cases] for name in ("shape", "foreground"))
    return draw_window(7, 2, index, shapes, foregrounds, (8, 16, 16), 0.8)


def test_an_unchanged_sample_is_the_window_drawn_for_it(unlike):
    shares = {name: 0.0 for name in vars(unlike.augmentation) if name.endswith("_share")}
    sampler = replace(unlike, augmentation=replace(unlike.augmentation, **shares))
    cts, labels = make_batch(sampler, range(5, 14))
    n = sampler.normalisation
    assert cts.shape == labels.shape == (9, 1, 8, 16, 16)
    for index, ct, label in zip(range(5, 14), cts, labels, strict=True):
        window = window_of(sampler, index)
        low = [int(c - (p - 1) / 2) for c, p in zip(window.centre, (8, 16, 16), strict=True)]
        high = [a + p for a, p in zip(low, (8, 16, 16), strict=True)]
        own_ct, own_label = sampler.cases[window.case].read(low, high)
        expected = (own_ct.float().clip(n.lower_hu, n.upper_hu) - n.mean_hu) / n.std_hu
        assert torch.allclose(ct[0], expected, atol=1e-3)
        assert torch.equal(label[0], own_label.float())


def test_changes_are_drawn_and_made_in_the_millimetres_of_each_patient(unlike, monkeypatch):
    planned, told = [], []
    monkeypatch.setattr(batches, "plan_reach", lambda *given: planned.append(given) or plan_reach(*given))
    monkeypatch.setattr(
        batches, "change_intensity", lambda *given: told.append(given) or change_intensity(*given)
    )
    make_batch(unlike, range(3, 9))
    windows = [window_of(unlike, index) for index in range(3, 9)]
    spacings = [unlike.cases[window.case].spacing_mm for window in windows]
    ((_, changes, told_spacings, normalisation),) = told
    assert (told_spacings, normalisation) == (spacings, unlike.normalisation)
    for index, window, spacing, given, change in zip(
        range(3, 9), windows, spacings, planned, changes, strict=True
    ):
        extent = tuple(n * s for n, s in zip((8, 16, 16), spacing, strict=True))
        expected = draw_augmentation(stream(7, 2, AUGMENTATION, index), unlike.augmentation, extent)
        for found in (given[0], change):
            assert replace(found, elastic_mm=None) == replace(expected, elastic_mm=None)
            assert np.array_equal(found.elastic_mm, expected.elastic_mm)
        assert given[1:] == (window.centre, (8, 16, 16), spacing)


def test_patients_shown_are_named_once_in_their_order(unlike):
    for first in range(12):
        shown = [unlike.cases[window_of(unlike, i).case].patient for i in range(first, first + 4)]
        names = patients_of(unlike, range(first, first + 4))
        assert [shown.index(name) for name in names] == sorted(shown.index(name) for name in set(shown))


def test_a_patch_the_network_cannot_halve_is_rounded_up(caches):
    settings = replace(SETTINGS, patch_shape=(9, 17, 30), seed=5, foreground_share=0.7)
    architecture, sampler = prepare(3, load_cases(caches, "host", CPU), settings)
    assert architecture.patch_shape == sampler.patch_shape == (10, 20, 32)
    assert (sampler.seed, sampler.fold, sampler.foreground_share) == (5, 3, 0.7)
    assert sampler.augmentation == settings.augmentation


def test_every_sample_of_a_batch_is_changed_in_its_own_way(caches, monkeypatch):
    _, sampler = prepare(0, load_cases(caches, "host", CPU), SETTINGS)
    drawn, plan = [], batches.plan_reach
    monkeypatch.setattr(batches, "plan_reach", lambda change, *a: drawn.append(change) or plan(change, *a))
    make_batch(sampler, range(8))
    assert len({change.noise_seed for change in drawn}) == 8
