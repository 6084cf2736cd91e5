"""What models say about a patient: one probability array a pass, on the cache's grid."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from lunggtv.errors import CohortError
from lunggtv.model.sliding_window import predict_probability
from lunggtv.model.weights import Model
from lunggtv.volume import Volume
from lunggtv.wording import by

# Training shows the network tumours about this much larger and smaller than they are.
SPACING_FACTOR = 1.25
LEFT_RIGHT = -1  # axis x
PREDICTED_IN = {"cuda": torch.float16}  # by type of device; float32 elsewhere


def check_fits(volume: Volume, cache_sha256: str, card: dict[str, Any], card_path: str | Path) -> None:
    """Raise CohortError where a model must not, or cannot, predict a patient.

    A patient is known by name, by the cache's digest (the cards of a package name nobody), and by the CT's (the
    same scan under another name).
    """
    known = {*card["train_patients"], *card["cache_digests"].values(), *card.get("ct_digests", ())}
    if known & {volume.patient, cache_sha256, volume.metadata.get("ct_digest")}:
        raise CohortError(
            f"Patient {volume.patient}: the model {card_path} learnt from this patient; the draft would look "
            "better than it is. Use the model of the fold that holds this patient out."
        )
    low, high = card.get("spacing_range_mm", [card["spacing_mm"]] * 2)
    for cache_mm, low_mm, high_mm in zip(volume.grid.spacing_mm, low, high, strict=True):
        if not low_mm / SPACING_FACTOR <= cache_mm <= high_mm * SPACING_FACTOR:
            raise CohortError(
                f"Patient {volume.patient}: the cache has voxels of {by(volume.grid.spacing_mm, 'g')} mm, "
                f"the model {card_path} learnt at {by(card['spacing_mm'], 'g')} mm. Cache at the model's "
                "spacing (cache.spacing_mm), or train at this one."
            )


def predict_passes(model: Model, ct: np.ndarray, mirror: bool, device: str) -> list[np.ndarray]:
    """Probabilities (z, y, x) float32 of a CT (int16 HU, on the model's spacing): plain, then mirrored.

    On a GPU the network runs in half precision, as nnU-Net's does: float16, whose ten bits of mantissa suffice where
    nothing is learnt, and which all supported cards have. What overflows there is computed in float32 instead.
    """
    normalised = model.normalisation.apply(torch.from_numpy(ct).to(device))
    reduced = PREDICTED_IN.get(normalised.device.type)

    def predict(image: torch.Tensor) -> torch.Tensor:
        for precision in dict.fromkeys((reduced, None)):
            found = predict_probability(
                model.network,
                image,
                patch_shape=model.architecture.patch_shape,
                divisor=model.architecture.divisor[0],
                air=model.normalisation.air,
                reduced=precision,
            )
            if precision is None or bool(torch.isfinite(found).all()):
                break
        return found

    found = [predict(normalised)]
    if mirror:
        found.append(predict(normalised.flip(LEFT_RIGHT)).flip(LEFT_RIGHT))
    return [probability.cpu().numpy() for probability in found]
