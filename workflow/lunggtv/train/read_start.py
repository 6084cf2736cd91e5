"""Reads the model that a fold begins from, and refuses one that it must not, or cannot, begin from.

Decides no bit of a training: which weights these are stands in its identity by their digest.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lunggtv.errors import CohortError, ConfigError
from lunggtv.model.architecture import Architecture
from lunggtv.model.weights import load_model
from lunggtv.train.start import Start
from lunggtv.wording import by, few

SHOWN = 5  # patients named in an error


def read_start(weights_path: str | Path, card_path: str | Path) -> Start:
    """Read a model to begin from.

    Raises:
        DamagedFile: it cannot be read.
        ConfigError: its card does not say which scans it learnt from.
    """
    model = load_model(weights_path, card_path)
    if "ct_digests" not in model.card:
        raise ConfigError(
            f"train.start_from: {card_path} does not say which scans its model learnt from, so that nobody knows "
            "whether a held-out patient is among them. Package the models again with this version."
        )
    return Start(
        {name: parameter.detach() for name, parameter in model.network.named_parameters()},
        model.architecture,
        model.normalisation,
        frozenset(model.card["ct_digests"]),
        model.card["weights_sha256"],
    )


def refuse_known(
    start: Start, verdicts: Mapping[str, Mapping[str, Any]], training: Mapping[str, Any]
) -> None:
    """Raise CohortError if the start has learnt from a patient that the fold holds out.

    The drafts of such patients would look better than they are. Prediction refuses them too, since the card of the
    trained model names the scans of its start; here it costs no training.

    Args:
        verdicts: labelled patient -> content of its verdict, of those that are made already.
        training: the fold's training patients.
    """
    known = [
        patient
        for patient, content in verdicts.items()
        if patient not in training and content["ct_digest"] in start.scans
    ]
    if known:
        names = few(known, SHOWN)
        raise CohortError(
            f"The models of train.start_from have learnt from patients that this fold holds out ({names}); their "
            "drafts would look better than they are. Begin from a package made without them, set train.start_from to "
            "null, or name them under data.exclude."
        )
    logging.info("begins from weights %s", start.weights_sha256[:12])


def refuse_unlike(start: Start, plan: Architecture) -> None:
    """Raise ConfigError if the network of the start is another one than is to be trained.

    Spacing and patch may differ as long as names, strides, kernels, widths and blocks do not.
    """
    differing = [
        f"{key} {_words(getattr(start.architecture, key))} instead of {_words(getattr(plan, key))}"
        for key in ("name", "widths", "blocks", "strides", "kernels")
        if getattr(start.architecture, key) != getattr(plan, key)
    ]
    if differing:
        raise ConfigError(
            f"train.start_from: its network has {', '.join(differing)}. Set train.network, train.patch_shape "
            f"({by(start.architecture.patch_shape)} voxels there) and cache.spacing_mm "
            f"({by(start.architecture.spacing_mm, 'g')} mm there) as the package has them, or start_from to null."
        )


def _words(value: Any) -> str:
    return value if isinstance(value, str) else str(list(value)).replace("(", "[").replace(")", "]")
