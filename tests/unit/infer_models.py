"""Tiny models on disk for the tests of inference."""

from pathlib import Path

import torch
from lunggtv.model.architecture import plan_architecture
from lunggtv.model.network import build_network
from lunggtv.model.normalisation import Normalisation
from lunggtv.model.weights import save_model

from tests.unit.infer_files import SPACING_MM


def write_model(
    folder: Path, train_patients: tuple[str, ...] = ("t1",), seed: int = 0, **changes: object
) -> tuple[Path, Path]:
    """A tiny network with random weights; ``changes`` of its card, ``fill`` is the logit it always gives."""
    architecture = plan_architecture("residual_encoder", SPACING_MM, (8, 16, 16), 2, 8, (1,))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = build_network(architecture).state_dict()
    if "fill" in changes:
        name = f"heads.{len(architecture.strides) - 2}"
        weights[f"{name}.weight"].zero_()
        weights[f"{name}.bias"].fill_(changes.pop("fill"))
    card = {
        "architecture": architecture.to_dict(), "cache_digests": {}, "code": {}, "config": {}, "fold": seed,
        "held_out_patients": [], "normalisation": Normalisation(-1000, 200, -200, 300).to_dict(),
        "seed": seed, "spacing_mm": list(SPACING_MM), "steps": 1,
        "train_patients": list(train_patients), "versions": {},
    }  # fmt: skip
    paths = (folder / f"fold{seed}" / "weights.safetensors", folder / f"fold{seed}" / "model.json")
    save_model(*paths, weights, card | changes)
    return paths
