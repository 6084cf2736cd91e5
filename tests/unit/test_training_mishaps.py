"""What training does when the loss is not finite or memory is short."""

import re

import pytest
import torch
from lunggtv.errors import TrainingFailed, TrainingStopped
from lunggtv.model.weights import load_tensors
from lunggtv.tables import read_tsv
from lunggtv.train import fit
from lunggtv.train.batches import make_batch, patients_of
from lunggtv.train.loss import supervised_loss

from tests.unit.train_cases import stopping_batch, train_tiny, write_cohort


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"))


def failing(monkeypatch, calls_that_fail, change):
    """Let the loss of some calls go wrong; counts calls."""
    calls = []

    def wrapped(heads, target):
        calls.append(len(calls))
        result = supervised_loss(heads, target)
        return change(result) if calls[-1] in calls_that_fail else result

    monkeypatch.setattr("lunggtv.train.optimisation.supervised_loss", wrapped)
    return calls


def not_a_number(result):
    return (result[0] * float("nan"), *result[1:])


def test_nan_once_rolls_back_at_half_the_rate(caches, tmp_path, monkeypatch, caplog):
    failing(monkeypatch, {9}, not_a_number)
    used, step = [], torch.optim.SGD.step

    def noting(self, *arguments):
        used.append(self.param_groups[0]["lr"])
        step(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", noting)
    files = train_tiny(tmp_path, caches, tmp_path / "state", save_every_s=0.0)
    rates = [0.02 * (1 - step / 20) ** 0.9 for step in range(20)]
    halved = [rate / 2 for rate in rates[9:]]
    assert used == pytest.approx(rates[:10] + halved)
    told = [float(row["learning_rate"]) for row in read_tsv(files.history)]
    assert told == pytest.approx(rates[:9] + halved, rel=1e-4)
    assert "steps 10 and 10" in caplog.text and "back to step 9 at half the learning rate" in caplog.text
    assert all(torch.isfinite(t).all() for t in load_tensors(files.weights).values())


def test_nan_twice_fails_naming_fold_steps_patients_and_files(caches, tmp_path, monkeypatch):
    failing(monkeypatch, {7, 8}, lambda r: (r[0] * float("inf"), *r[1:]))
    shown = []

    def noting(sampler, indices):
        shown.append(patients_of(sampler, indices))
        return make_batch(sampler, indices)

    monkeypatch.setattr("lunggtv.train.optimisation.make_batch", noting)
    with pytest.raises(TrainingFailed, match=r"Fold 0.*steps 8 and 8.*") as caught:
        train_tiny(tmp_path, caches, tmp_path / "state", save_every_s=0.0)
    names, files = re.search(r"showed patients ([\d, ]+) \((.+?)\)", str(caught.value)).groups()
    assert names.split(", ") == shown[7]
    assert files.split(", ") == [caches[patient] for patient in shown[7]]


def test_a_killed_run_remembers_that_it_has_used_its_one_chance(caches, tmp_path, monkeypatch):
    def killed(result):
        raise KeyboardInterrupt

    changes = iter((not_a_number, killed))

    def changed(result):
        return next(changes)(result)

    failing(monkeypatch, {4, 5}, changed)
    with pytest.raises(KeyboardInterrupt):
        train_tiny(tmp_path, caches, tmp_path / "state", save_every_s=0.0)
    failing(monkeypatch, {0}, not_a_number)
    with pytest.raises(TrainingFailed, match=r"steps 5 and 5, .* halved before"):
        train_tiny(tmp_path, caches, tmp_path / "state")
    failing(monkeypatch, set(), not_a_number)
    rows = read_tsv(train_tiny(tmp_path, caches, tmp_path / "state").history)
    assert float(rows[3]["learning_rate"]) == pytest.approx(0.02 * (1 - 3 / 20) ** 0.9, rel=1e-4)
    assert float(rows[4]["learning_rate"]) == pytest.approx(0.01 * (1 - 4 / 20) ** 0.9, rel=1e-4)


def test_nan_in_the_first_steps_goes_back_to_the_start(caches, tmp_path, monkeypatch, caplog):
    failing(monkeypatch, {1}, not_a_number)
    files = train_tiny(tmp_path, caches, tmp_path / "state", steps=4)
    rates = [0.01 * (1 - step / 4) ** 0.9 for step in range(4)]
    assert [float(row["learning_rate"]) for row in read_tsv(files.history)] == pytest.approx(rates, rel=1e-4)
    assert "steps 2 and 2" in caplog.text and "back to step 0" in caplog.text


def test_a_line_of_the_history_spans_a_roll_back(caches, tmp_path, monkeypatch, caplog):
    # Lines of five steps; a loss goes wrong in the middle of the second, and is noticed at once.
    monkeypatch.setattr(fit, "HISTORY_ROWS", 4)
    told = []

    def changed(heads, target):
        result = supervised_loss(heads, target)
        told.append(result[0].item())
        return not_a_number(result) if len(told) == 8 else result

    monkeypatch.setattr("lunggtv.train.optimisation.supervised_loss", changed)
    rows = read_tsv(train_tiny(tmp_path, caches, tmp_path / "state", save_every_s=0.0).history)
    assert "steps 8 and 8, " in caplog.text and "back to step 7" in caplog.text
    losses = told[:7] + told[8:]
    means = [sum(losses[first : first + 5]) / 5 for first in range(0, 20, 5)]
    assert [float(row["loss"]) for row in rows] == pytest.approx(means, rel=1e-4)


def test_after_a_roll_back_steps_are_counted_from_there(caches, tmp_path, monkeypatch, caplog):
    # One line of the history for all; the CPU looks at every step all the same.
    monkeypatch.setattr(fit, "HISTORY_ROWS", 1)
    failing(monkeypatch, {3, 4}, not_a_number)
    with pytest.raises(TrainingFailed, match="steps 1 and 1, "):
        train_tiny(tmp_path, caches, tmp_path / "state")
    assert "steps 4 and 4, " in caplog.text and "back to step 0" in caplog.text


def out_of_memory(result):
    raise torch.OutOfMemoryError("simulated")


def in_words(text: str):
    def fail(result):
        raise RuntimeError(text)

    return fail


OTHER_WORDS = (
    "GET was unable to find an engine to execute this computation",
    "Unable to find an engine",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "CUDA error: out of memory",
)


def test_another_error_of_a_step_is_no_lack_of_memory(caches, tmp_path, monkeypatch):
    failing(monkeypatch, {3}, in_words("CUDA error: device-side assert triggered"))
    with pytest.raises(RuntimeError, match="device-side assert"):
        train_tiny(tmp_path, caches, tmp_path / "state")


@pytest.mark.parametrize("failure", [out_of_memory, *map(in_words, OTHER_WORDS)], ids=range(6))
def test_out_of_memory_halves_the_batch_and_goes_on(caches, tmp_path, monkeypatch, caplog, failure):
    calls = failing(monkeypatch, {3}, failure)
    files = train_tiny(tmp_path, caches, tmp_path / "state")
    assert "fold 0, step 3: out of memory; going on with 1 of 2 patches at once" in caplog.text
    # 3 whole steps, the failed one, then 17 steps in two parts.
    assert len(calls) == 3 + 1 + 17 * 2
    assert len(read_tsv(files.history)) == 20


def test_out_of_memory_halves_a_larger_batch_as_often_as_needed(caches, tmp_path, monkeypatch):
    parts = []

    def small_memory(sampler, indices):
        parts.append(len(indices))
        if len(indices) > 2:
            raise torch.OutOfMemoryError("simulated")
        return make_batch(sampler, indices)

    monkeypatch.setattr("lunggtv.train.optimisation.make_batch", small_memory)
    train_tiny(tmp_path, caches, tmp_path / "state", batch=8, steps=1)
    assert parts == [8, 4, 2, 2, 2, 2]


def test_a_resumed_run_keeps_the_halved_batch(caches, tmp_path, monkeypatch):
    calls = failing(monkeypatch, {3}, out_of_memory)
    monkeypatch.setattr("lunggtv.train.optimisation.make_batch", stopping_batch(12))
    with pytest.raises(TrainingStopped, match=r"step 7 of 20"):
        train_tiny(tmp_path, caches, tmp_path / "state")
    before = len(calls)
    train_tiny(tmp_path, caches, tmp_path / "state")
    assert len(calls) - before == 13 * 2


def test_out_of_memory_for_one_patch_says_what_to_lower(caches, tmp_path, monkeypatch):
    failing(monkeypatch, {0, 1}, out_of_memory)
    words = r"Fold 0: a single patch of \(8, 16, 16\) voxels .* Lower train\.patch_shape or"
    with pytest.raises(TrainingFailed, match=words):
        train_tiny(tmp_path, caches, tmp_path / "state")
