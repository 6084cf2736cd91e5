"""One update of the weights: its samples, its gradients, its rule, the average it feeds, and its line."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lunggtv.model.weights import load_model, load_tensors
from lunggtv.train import fit
from lunggtv.train.batches import make_batch
from lunggtv.train.fit import new_network, train
from lunggtv.train.loss import supervised_loss
from lunggtv.train.optimisation import Device, Run, average_decay, learning_rate, start_run
from lunggtv.train.state_folder import StateFolder
from torch import Tensor

from tests.unit.train_cases import CPU, SETTINGS, prepared, train_tiny, write_cohort

# Without momentum, decay of the weights and clipping, and at a rate of 1, a step takes off the gradient itself.
PLAIN = replace(SETTINGS, momentum=0.0, weight_decay=0.0, learning_rate=1.0, clip_norm=1e9, steps=1)


@pytest.fixture(scope="module")
def fold(tmp_path_factory):
    """Plan and sampler of a fold."""
    return prepared(tmp_path_factory.mktemp("cohort"))


def weights_of(run: Run) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in run.network.parameters()]


def trained(fold, settings, folder: Path, micro_batch: int | None = None) -> tuple[list[Tensor], Run]:
    """Initial weights, and the run after ``settings.steps`` steps."""
    architecture, sampler = fold
    run = start_run(new_network(architecture, 1, 0), settings)
    run.micro_batch = micro_batch or run.micro_batch
    before = weights_of(run)
    train(run, sampler, settings, Device(CPU, None), StateFolder(folder), 1e9)
    return before, run


def loss_and_gradient(fold, indices: range) -> tuple[float, list[Tensor]]:
    """Loss of these samples together with the initial weights, and its gradient."""
    architecture, sampler = fold
    network = new_network(architecture, 1, 0).train()
    ct, label = make_batch(sampler, indices)
    loss, _, _ = supervised_loss(network(ct), label)
    loss.backward()
    found = [torch.zeros_like(p) if p.grad is None else p.grad for p in network.parameters()]
    return loss.item(), found


def norm(tensors: list[Tensor]) -> float:
    return torch.cat([tensor.reshape(-1) for tensor in tensors]).norm().item()


def test_steps_share_no_sample(fold, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "lunggtv.train.optimisation.make_batch",
        lambda s, indices: seen.extend(indices) or make_batch(s, indices),
    )
    trained(fold, replace(SETTINGS, steps=4, batch=3), tmp_path, micro_batch=2)
    assert seen == list(range(4 * 3))


@pytest.mark.parametrize("micro_batch", [1, 2, 3])
def test_gradients_of_parts_are_averaged_over_the_samples(fold, tmp_path, micro_batch):
    before, run = trained(fold, replace(PLAIN, batch=3), tmp_path, micro_batch)
    parts = [range(start, min(start + micro_batch, 3)) for start in range(0, 3, micro_batch)]
    found = [(len(part) / 3, *loss_and_gradient(fold, part)) for part in parts]
    moved = [old - new for old, new in zip(before, weights_of(run), strict=True)]
    for index, step in enumerate(moved):
        expected = sum(share * gradient[index] for share, _, gradient in found)
        assert torch.allclose(step, expected, rtol=1e-3, atol=1e-6)
    assert run.history[0][2] == pytest.approx(sum(share * loss for share, loss, _ in found), rel=1e-5)


def test_long_gradients_are_cut_to_the_norm_and_told_whole(fold, tmp_path):
    before, run = trained(fold, replace(PLAIN, clip_norm=0.01), tmp_path)
    _, gradient = loss_and_gradient(fold, range(2))
    moved = [old - new for old, new in zip(before, weights_of(run), strict=True)]
    assert norm(moved) == pytest.approx(0.01, rel=1e-3)
    assert run.history[0][5] == pytest.approx(norm(gradient), rel=1e-4)
    assert norm(gradient) > 0.02


@pytest.mark.parametrize("deep_supervision", [True, False])
def test_coarser_heads_teach_only_under_deep_supervision(tmp_path, deep_supervision):
    # Patches of this size have three heads, of which the second counts a third.
    settings = replace(PLAIN, patch_shape=(16, 32, 32), deep_supervision=deep_supervision)
    architecture, sampler = fold = prepared(tmp_path / "data", patch_shape=(16, 32, 32))
    _, run = trained(fold, settings, tmp_path / "state")
    ct, label = make_batch(sampler, range(2))
    heads = new_network(architecture, 1, 0).train()(ct)
    several, finest = (supervised_loss(some, label)[0].item() for some in (heads, heads[:1]))
    assert len(heads) == 3 and several != pytest.approx(finest, rel=1e-3)
    assert run.history[0][2] == pytest.approx(several if deep_supervision else finest, rel=1e-5)


def test_learning_rate_falls_as_a_power_of_what_is_left():
    settings = replace(SETTINGS, steps=1000, learning_rate=0.01)
    # 0.01 * 1, * 0.5 ** 0.9, * 0.001 ** 0.9
    for step, rate in ((0, 0.01), (500, 0.0053589), (999, 1.99526e-05)):
        assert learning_rate(settings, step) == pytest.approx(rate, rel=1e-4)


def test_average_forgets_the_initial_weights_fast_and_later_ones_slowly():
    settings = replace(SETTINGS, ema_decay=0.999)
    for step, decay in ((0, 1 / 10), (10, 11 / 20), (90, 91 / 100), (10**5, 0.999)):
        assert average_decay(settings, step) == pytest.approx(decay)


@dataclass(frozen=True)
class Update:
    """What an optimiser was given, and what it made of it."""

    rate: float
    before: list[Tensor]
    gradients: list[Tensor | None]
    after: list[Tensor]


def watch(monkeypatch, optimiser: type) -> list[Update]:
    """Every update from now on."""
    updates: list[Update] = []
    original = optimiser.step

    def step(self, *arguments):
        (group,) = self.param_groups
        before = [p.detach().clone() for p in group["params"]]
        gradients = [None if p.grad is None else p.grad.clone() for p in group["params"]]
        original(self, *arguments)
        after = [p.detach().clone() for p in group["params"]]
        updates.append(Update(group["lr"], before, gradients, after))

    monkeypatch.setattr(optimiser, "step", step)
    return updates


def test_sgd_is_nesterovs_with_decay_of_the_weights(fold, tmp_path, monkeypatch):
    updates = watch(monkeypatch, torch.optim.SGD)
    trained(fold, replace(SETTINGS, steps=3, weight_decay=0.01, momentum=0.9), tmp_path)
    speeds = [torch.zeros_like(weight) for weight in updates[0].before]
    for step, update in enumerate(updates):
        assert update.rate == pytest.approx(0.02 * (1 - step / 3) ** 0.9)
        for index, (old, gradient, new) in enumerate(
            zip(update.before, update.gradients, update.after, strict=True)
        ):
            # The coarsest head teaches nothing, and is left as it is.
            force = gradient + 0.01 * old if gradient is not None else torch.zeros_like(old)
            speeds[index] = 0.9 * speeds[index] + force
            assert torch.allclose(new, old - update.rate * (force + 0.9 * speeds[index]), atol=1e-6)


def test_adamw_decays_weights_apart_from_its_moments(fold, tmp_path, monkeypatch):
    updates = watch(monkeypatch, torch.optim.AdamW)
    settings = replace(SETTINGS, steps=3, optimiser="adamw", weight_decay=0.1, momentum=0.8)
    trained(fold, settings, tmp_path)
    first = second = torch.zeros_like(updates[0].before[0])
    for step, update in enumerate(updates, start=1):
        gradient = update.gradients[0]
        first = 0.8 * first + 0.2 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        mean, spread = first / (1 - 0.8**step), (second / (1 - 0.999**step)).sqrt()
        expected = update.before[0] * (1 - update.rate * 0.1) - update.rate * mean / (spread + 1e-8)
        assert torch.allclose(update.after[0], expected, atol=1e-5)


def test_delivered_weights_and_snapshots_are_the_average_of_the_steps(tmp_path, monkeypatch):
    updates = watch(monkeypatch, torch.optim.SGD)
    caches = write_cohort(tmp_path / "data")
    files = train_tiny(tmp_path, caches, tmp_path / "state", steps=6, snapshots=2, ema_decay=0.3)
    average, kept = updates[0].before, {}
    for step, update in enumerate(updates):
        decay = min(0.3, (1 + step) / (10 + step))
        average = [decay * old + (1 - decay) * new for old, new in zip(average, update.after, strict=True)]
        kept[step + 1] = average
    names = [name for name, _ in load_model(files.weights, files.card).network.named_parameters()]
    delivered, snapshots = load_tensors(files.weights), load_tensors(files.snapshots)
    assert set(snapshots) == {f"00000003/{name}" for name in names}
    for name, last, halfway in zip(names, kept[6], kept[3], strict=True):
        assert torch.allclose(delivered[name], last, atol=1e-6)
        assert torch.allclose(snapshots[f"00000003/{name}"], halfway.half(), rtol=2e-3, atol=1e-5)


def test_a_line_of_the_history_is_the_mean_of_its_steps(fold, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "HISTORY_ROWS", 2)
    told = []

    def listening(heads, target):
        result = supervised_loss(heads, target)
        told.append([part.item() for part in result])
        return result

    monkeypatch.setattr("lunggtv.train.optimisation.supervised_loss", listening)
    _, run = trained(fold, replace(SETTINGS, steps=7), tmp_path)
    steps = np.array(told)
    expected = [steps[:3].mean(axis=0), steps[3:6].mean(axis=0), steps[6]]
    assert [row[0] for row in run.history] == [3, 6, 7]
    for row, means in zip(run.history, expected, strict=True):
        assert row[1] == pytest.approx(0.02 * (1 - (row[0] - 1) / 7) ** 0.9)
        assert row[2:5] == pytest.approx(means, rel=1e-5)
