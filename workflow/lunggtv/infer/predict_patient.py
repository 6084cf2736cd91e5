"""A cache and models in, what they say out. Nothing is drawn here: a new threshold costs no prediction."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lunggtv.errors import CohortError, DamagedFile
from lunggtv.files import file_digest
from lunggtv.infer.prediction_file import Prediction, quantised, write_prediction
from lunggtv.model.device import claimed_device
from lunggtv.model.numerics import numerics
from lunggtv.model.prediction import check_fits, predict_passes
from lunggtv.model.weights import load_model
from lunggtv.volume import read_volume


def predict_patient(
    cache_path: str | Path,
    models: Sequence[tuple[str | Path, str | Path]],
    mirror: bool,
    prediction_path: str | Path,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Write what the models say about a patient.

    Args:
        cache_path: the patient's cache.
        models: (weights.safetensors, card) of each model; none may have learnt from this patient.
        mirror: let each model see the patient left-right mirrored too.
        prediction_path: file to write, see ``prediction``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``, see ``claimed_device``.
        threads: CPU threads.

    Raises:
        RejectedPatient: ingest refused this patient.
        CohortError: there is no model, or one learnt from this patient or for other voxels.
        DamagedFile: the cache or a model cannot be read, or a model predicts what is not a number.
    """
    volume = read_volume(cache_path, "cache")
    if not models:
        raise CohortError(f"Patient {volume.patient}: there is no trained model. Train at least one fold.")
    cache_sha256 = file_digest(cache_path)
    passes, used = [], []
    with claimed_device(device) as home, numerics(deterministic=True, threads=threads):
        for weights, card in models:
            model = load_model(weights, card, str(home))
            check_fits(volume, cache_sha256, model.card, card)
            found = predict_passes(model, volume.ct, mirror, str(home))
            if not all(np.isfinite(probability).all() for probability in found):
                raise DamagedFile(
                    f"{weights}: predicts values that are not numbers for patient {volume.patient}; its "
                    "training has failed. Delete the fold's files and train it again."
                )
            passes += [quantised(probability) for probability in found]
            used.append(_identity(weights, model.card))
    prediction = Prediction(
        volume.patient, np.stack(passes), volume.grid, used, volume.metadata, cache_sha256
    )
    write_prediction(prediction_path, prediction)


def _identity(weights: str | Path, card: dict[str, Any]) -> dict[str, Any]:
    """What names a model in results: the folder it lies in, its fold, the digest of its weights."""
    return {
        "fold": card.get("fold"),
        "name": Path(weights).parent.name,
        "weights_sha256": card["weights_sha256"],
    }
