"""Before a training computes in half precision, its own network shows that this device can."""

import pytest
import torch
from lunggtv.model import numerics as numerics_module
from lunggtv.model.architecture import plan_architecture
from lunggtv.model.numerics import half_precision, is_out_of_memory
from lunggtv.train.fit import new_network
from torch import nn

from tests.unit.train_cases import CPU, train_tiny, write_cohort

PLAN = plan_architecture("residual_encoder", (5.0, 1.17, 1.17), (8, 32, 32), 4, 16, (1, 2))


class Tampered(nn.Module):
    """A network of one weight that does something of its own where it computes in half precision."""

    def __init__(self, tamper) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.3, -0.2]))
        self.tamper = tamper

    def forward(self, x):
        weight = self.tamper(self.weight) if torch.is_autocast_enabled("cpu") else self.weight
        return [x.mean() * weight[0] + x.std() * weight[1] * x]


def fail(text: str):
    def tamper(weight):
        raise RuntimeError(text)

    return tamper


def test_the_network_agrees_with_itself_and_its_gradients_are_forgotten():
    network = new_network(PLAN, 1, 0).train()
    assert half_precision(network, PLAN.patch_shape, CPU) is torch.bfloat16
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("tamper", [lambda weight: -weight, lambda weight: weight * float("nan")])
def test_wrong_gradients_are_told_and_float32_is_taken(tamper, caplog):
    assert half_precision(Tampered(tamper), (8, 8, 8), CPU) is None
    assert "do not agree" in caplog.text and "computing in float32" in caplog.text


class Old(str):
    """The processor, under the name of a CUDA device without bfloat16."""

    type = "cuda"


def test_a_card_without_bfloat16_has_float16(monkeypatch):
    """The loss of its trial is enlarged as far as its gradients stay finite."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    kinds = []

    def tried(network, patch, precision):
        kinds.append(precision)
        return torch.ones(3)

    monkeypatch.setattr(numerics_module, "_gradients", tried)
    assert half_precision(nn.Linear(1, 1), (8, 8, 8), Old("cpu")) is torch.float16
    assert kinds == [None, torch.float16]


def test_small_gradients_survive_a_trial_in_float16():
    network = new_network(PLAN, 1, 0).train()
    patch = torch.randn((1, 1, *PLAN.patch_shape), generator=torch.Generator().manual_seed(0))
    exact = numerics_module._gradients(network, patch, None)
    rounded = numerics_module._gradients(network, patch, torch.float16)
    assert torch.nn.functional.cosine_similarity(exact, rounded, dim=0) > 0.99
    assert 0.9 < rounded.norm() / exact.norm() < 1.1


def test_too_little_memory_to_compare_is_no_verdict(caplog):
    caplog.set_level("INFO")
    assert half_precision(Tampered(fail("CUDA error: out of memory")), (8, 8, 8), CPU) is torch.bfloat16
    assert "too little memory to compare" in caplog.text


def test_any_other_failure_of_the_trial_is_one():
    with pytest.raises(RuntimeError, match="no kernel image"):
        half_precision(Tampered(fail("no kernel image is available")), (8, 8, 8), CPU)


def test_words_for_a_lack_of_memory():
    assert is_out_of_memory(torch.OutOfMemoryError("x"))
    assert is_out_of_memory(RuntimeError("GET was unable to find an engine to execute this computation"))
    assert not is_out_of_memory(RuntimeError("illegal memory access"))


def test_a_cpu_trains_in_float32_and_says_so(tmp_path, caplog):
    caplog.set_level("INFO")
    train_tiny(tmp_path, write_cohort(tmp_path / "data"), tmp_path / "state", steps=1, mixed_precision=True)
    assert "training on cpu in float32; " in caplog.text
