"""Whether a card's bfloat16 can be trusted; the card is pretended, the sums are the processor's."""

import logging

import pytest
import torch
from lunggtv.model.numerics import bfloat16_works

CPU = torch.device("cpu")


@pytest.fixture
def card(monkeypatch):
    """Pretends a card of a compute capability, whose bfloat16 sums are off by a share of their spread."""

    def pretend(capability, off):
        exact = torch.nn.functional.conv3d

        def conv3d(x, w, padding):
            found = exact(x, w, padding=padding)
            return found if x.dtype == torch.float32 else found + off * found.float().std().to(found.dtype)

        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr("lunggtv.model.numerics.functional.conv3d", conv3d)
        return bfloat16_works(CPU)

    return pretend


def test_rounding_alone_is_no_fault(card, caplog):
    assert card((8, 0), 0.0)
    assert card((9, 0), 0.04)
    assert not caplog.records


def test_wrong_sums_are_told_and_not_used(card, caplog):
    with caplog.at_level(logging.WARNING):
        assert not card((9, 0), 0.06)
    assert "bfloat16 convolutions are wrong on cpu; computing in float32" in caplog.text


def test_an_older_card_has_no_bfloat16(card):
    assert not card((7, 5), 0.0)
