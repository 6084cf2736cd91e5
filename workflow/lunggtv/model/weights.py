"""A trained model on disk: ``weights.safetensors`` and its card, checked when read. No pickle."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from lunggtv.errors import DamagedFile
from lunggtv.files import file_digest, read_json, whole_file, write_json
from lunggtv.model.architecture import Architecture
from lunggtv.model.network import build_network
from lunggtv.model.normalisation import Normalisation

SCHEMA = 1
CARD_KEYS = (
    "architecture",
    "cache_digests",
    "code",
    "config",
    "normalisation",
    "seed",
    "spacing_mm",
    "steps",
    "train_patients",
    "versions",
)


@dataclass(frozen=True)
class Model:
    """A network ready to predict, in evaluation mode, and its card."""

    network: nn.Module
    architecture: Architecture
    normalisation: Normalisation
    card: dict[str, Any]


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors as safetensors, whole or not at all; same tensors, same bytes, whose SHA-256 is returned."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(plain)
    with whole_file(path) as partial:
        # Not save_file: it makes files that only their owner may read.
        partial.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def load_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read tensors to host memory. Raises DamagedFile."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DamagedFile(_damaged(path, f"cannot be read ({error})")) from error


def save_model(
    weights_path: str | Path, model_path: str | Path, weights: Mapping[str, Tensor], card: Mapping[str, Any]
) -> None:
    """Write a model's two files; the card gets the schema and the weights' digest.

    Raises ValueError if the card lacks a key of the contract (``CARD_KEYS``).
    """
    missing = [key for key in CARD_KEYS if key not in card]
    if missing:
        raise ValueError(f"model card lacks {', '.join(missing)}")
    digest = save_tensors(weights_path, weights)
    write_json(model_path, {**card, "schema": SCHEMA, "weights_sha256": digest})


def refresh_card(model_path: str | Path, card: Mapping[str, Any]) -> None:
    """Bring keys of a written card up to date that the weights do not depend on."""
    write_json(model_path, {**load_card(model_path), **card})


def load_card(model_path: str | Path) -> dict[str, Any]:
    """Read and check a model's card alone. Raises DamagedFile."""
    try:
        card = read_json(model_path)
    except (OSError, ValueError) as error:
        raise DamagedFile(_damaged(model_path, f"cannot be read ({error})")) from error
    if not isinstance(card, dict) or card.get("schema") != SCHEMA:
        raise DamagedFile(_damaged(model_path, f"is not a model card of schema {SCHEMA}"))
    missing = [key for key in (*CARD_KEYS, "weights_sha256") if key not in card]
    if missing:
        raise DamagedFile(_damaged(model_path, f"lacks {', '.join(missing)}"))
    return card


def load_model(weights_path: str | Path, model_path: str | Path, device: str = "cpu") -> Model:
    """Read a model and build its network on ``device``.

    Raises:
        DamagedFile: a file is missing, truncated or altered, or the two do not belong together.
    """
    card = load_card(model_path)
    try:
        digest = file_digest(weights_path)
    except OSError as error:
        raise DamagedFile(_damaged(weights_path, f"cannot be read ({error})")) from error
    if digest != card["weights_sha256"]:
        raise DamagedFile(_damaged(weights_path, f"is not the file that {model_path} describes"))
    try:
        architecture = Architecture.from_dict(card["architecture"])
        normalisation = Normalisation.from_dict(card["normalisation"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DamagedFile(_damaged(model_path, f"describes no network ({error})")) from error
    network = load_network(architecture, load_tensors(weights_path), weights_path, device)
    return Model(network, architecture, normalisation, card)


def load_network(
    architecture: Architecture, weights: Mapping[str, Tensor], source: str | Path, device: str = "cpu"
) -> nn.Module:
    """A network with these weights, in evaluation mode. Raises DamagedFile where they do not fit."""
    try:
        # Built without memory: no number is drawn, and a forged card takes none for what is not in the weights.
        with torch.device("meta"):
            network = build_network(architecture)
        # By parameter, not by state_dict: MONAI's DynUNet lists the same parameter under several names.
        if set(weights) != {name for name, _ in network.named_parameters()}:
            raise ValueError("other names")
        network.load_state_dict(dict(weights), strict=False, assign=True)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise DamagedFile(_damaged(source, f"does not fit its network ({error})")) from error
    return network.to(device).requires_grad_(False).eval()


def _damaged(path: str | Path, what: str) -> str:
    return (
        f"{path}: {what}. Delete the fold's files and run snakemake again; the fold is trained or restored."
    )
