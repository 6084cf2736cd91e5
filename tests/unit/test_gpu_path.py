"""What a GPU would meet in a training step and a prediction, found without one.

Tensors of the device "meta" have shapes, types and a device but no numbers: mixing them with the host's raises as on a
GPU, and so does reading a number, which would make the host wait in the hot path. Copies from the host are counted.
"""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from lunggtv.model.architecture import plan_architecture
from lunggtv.model.network import build_network, parameter_count
from lunggtv.model.normalisation import Normalisation
from lunggtv.model.numerics import numerics
from lunggtv.model.sliding_window import predict_probability
from lunggtv.settings import settings_from
from lunggtv.train.batches import Sampler, make_batch
from lunggtv.train.cases import Case
from lunggtv.train.loss import supervised_loss
from lunggtv.train.memory import training_bytes
from lunggtv.train.optimisation import Device, one_step, start_run
from lunggtv.train.train_settings import TrainSettings
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.workflow.engine import PROJECT

META = torch.device("meta")
BOX = (64, 190, 260)  # of lungs at the default spacing
SPACING_MM = (5.0, 1.17, 1.17)


def settings(**changes) -> TrainSettings:
    """Those of config.yaml, with the patch planned for StructSeg, and every augmentation in every sample."""
    section = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))["train"]
    section |= {"patch_shape": [48, 160, 192]}
    del section["run_folds"], section["start_from"]
    shipped = settings_from(TrainSettings, section)
    every = {field: 1.0 for field in vars(shipped.augmentation) if field.endswith("_share")}
    return replace(shipped, augmentation=replace(shipped.augmentation, **every), **changes)


class Copies(TorchDispatchMode):
    """Notes every copy from one device to another."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[tuple[int, ...], bool]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        named = kwargs or {}
        out = func(*args, **named)
        if func.name().startswith(("aten::_to_copy", "aten::copy_")):
            devices = {t.device.type for t in tree_leaves((args, out)) if isinstance(t, torch.Tensor)}
            if len(devices) > 1:
                self.found.append((tuple(tree_leaves(out)[0].shape), bool(named.get("non_blocking"))))
        return out


class PretendedGenerator:
    def __init__(self, device=None) -> None:
        self.device = device

    def manual_seed(self, seed):
        return self


@pytest.fixture
def pretended(monkeypatch):
    """What meta tensors do not have: a generator, and autocast (types are not what is looked for)."""
    randn = torch.randn

    def without_generator(*shape, generator, device):
        assert generator.device == device
        return randn(*shape, device=device)

    monkeypatch.setattr(torch, "Generator", PretendedGenerator)
    monkeypatch.setattr(torch, "randn", without_generator)
    monkeypatch.setattr(torch, "autocast", lambda *given, **named: contextlib.nullcontext())


def fold(chosen: TrainSettings):
    """The default network and a sampler of seven patients, on the device without numbers."""
    architecture = plan_architecture(
        "residual_encoder", SPACING_MM, chosen.patch_shape, chosen.network.width, chosen.network.max_width,
        chosen.network.blocks,
    )  # fmt: skip
    ct, label = (torch.empty(BOX, dtype=kind, device=META) for kind in (torch.int16, torch.uint8))

    def read(start, stop):
        place = tuple(slice(low, high) for low, high in zip(start, stop, strict=True))
        return ct[place], label[place]

    foreground = np.arange(10**6, 10**6 + 500)
    cases = [Case(str(n), "x", BOX, SPACING_MM, foreground, read) for n in range(7)]
    normalisation = Normalisation(-1000.0, 200.0, 20.0, 60.0)
    sampler = Sampler(cases, 1, 0, architecture.patch_shape, 0.33, chosen.augmentation, normalisation)
    with META:
        network = build_network(architecture).train()
    return architecture, sampler, network


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_step_at_full_size_never_mixes_devices_nor_reads_a_number(pretended, optimiser):
    chosen = settings(optimiser=optimiser, momentum=0.9)
    _, sampler, network = fold(chosen)
    run = start_run(network, chosen)
    with numerics(deterministic=True, threads=torch.get_num_threads()):
        for _ in range(2):
            parts = one_step(run, network, sampler, chosen, Device(META, torch.bfloat16))
            run.step += 1
    assert parts.device == META and parts.shape == (4,)


def test_a_batch_costs_one_copy_that_does_not_wait(pretended):
    _, sampler, _ = fold(settings())
    with Copies() as copies:
        ct, label = make_batch(sampler, range(2))
    assert ct.device == label.device == META
    ((_, without_waiting),) = copies.found
    assert without_waiting


def test_a_prediction_never_mixes_devices(pretended):
    chosen = settings()
    architecture, _, network = fold(chosen)
    ct = torch.empty((61, 187, 251), device=META)
    found = predict_probability(
        network.eval(), ct, patch_shape=architecture.patch_shape, divisor=architecture.divisor[0], air=-3.0
    )
    assert found.device == META and found.shape == (61, 187, 251)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("over", [{}, {"patch_shape": (32, 96, 96)}])
def test_the_memory_that_training_is_said_to_take(batch, over):
    """What the backward pass keeps, each storage once, and five copies of the weights; within 15 %."""
    architecture, _, network = fold(settings(**over))
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage  # held, so that no other gets its address
        return tensor

    ct = torch.empty((batch, 1, *architecture.patch_shape), device=META)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss, _, _ = supervised_loss(network(ct), torch.empty_like(ct))
    assert loss.requires_grad
    own = {parameter.untyped_storage()._cdata for parameter in network.parameters()}
    counted = sum(storage.nbytes() for at, storage in kept.items() if at not in own)
    weights = parameter_count(network)
    said = training_bytes(architecture, batch, weights, autocast=False)
    assert said == pytest.approx(counted + 20 * weights, rel=0.15)
