"""How well each snapshot draws the held-out patients: Dice on the ingested grid, on the untouched label."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lunggtv.errors import CohortError
from lunggtv.files import write_json
from lunggtv.geometry import Placement
from lunggtv.masks import dice
from lunggtv.model.device import claimed_device
from lunggtv.model.numerics import numerics
from lunggtv.model.prediction import predict_passes
from lunggtv.model.weights import Model, load_card, load_model, load_network, load_tensors
from lunggtv.resampling import paste_box, resample_probability
from lunggtv.tables import write_tsv
from lunggtv.volume import Volume, read_volume

VALIDATION_COLUMNS = ("step", "patient", "dice")
THRESHOLD = 0.5


@dataclass(frozen=True)
class HeldOut:
    """A held-out patient's two volumes."""

    cache: str | Path
    ingest: str | Path


def validate_fold(
    *,
    fold: int,
    weights: str | Path,
    card: str | Path,
    snapshots: str | Path,
    held_out: Mapping[str, HeldOut],
    validation: str | Path,
    model: str | Path,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Score every snapshot and the final weights of a fold on its held-out patients.

    Writes ``validation`` (columns ``VALIDATION_COLUMNS``, by step, then in the mapping's order), and ``model``: the
    ``card`` that training wrote, with the held-out patients named. Kept apart from training, so that a held-out
    patient never retrains a fold.

    Raises:
        CohortError: a patient was trained on, or is not labelled.
        DamagedFile: a file is not whole, or files do not belong together.
    """
    content = load_card(card)
    leaked = sorted(set(held_out) & set(content["train_patients"]))
    if leaked:
        raise CohortError(f"Fold {fold} was trained on {', '.join(leaked)}; it cannot be validated on them.")
    volumes = {patient: _read(patient, paths) for patient, paths in held_out.items()}
    table = load_tensors(snapshots)
    steps = sorted({name.partition("/")[0] for name in table})
    rows = []
    with claimed_device(device) as home, numerics(deterministic=True, threads=threads):
        trained = load_model(weights, card, str(home))
        for step in [*steps, None]:
            scored = trained
            if step is not None:
                own = {n.removeprefix(f"{step}/"): t.float() for n, t in table.items() if n.startswith(step)}
                network = load_network(trained.architecture, own, snapshots, str(home))
                scored = replace(trained, network=network)
            number = content["steps"] if step is None else int(step)
            found = {p: patient_dice(scored, cached, label) for p, (cached, label) in volumes.items()}
            rows += [[number, patient, f"{value:.6f}"] for patient, value in found.items()]
            mean = np.mean(list(found.values()))
            logging.info("fold %d: step %d, mean Dice of %d patients %.3f", fold, number, len(volumes), mean)
    write_tsv(validation, VALIDATION_COLUMNS, rows)
    write_json(model, {**content, "held_out_patients": list(held_out)})


def patient_dice(model: Model, cached: Volume, label: np.ndarray) -> float:
    """Dice of a patient on the ingested grid; 1 where both are empty, 0 where one is.

    Args:
        model: see ``load_model``.
        cached: the cache volume; its metadata says where the box lies.
        label: uint8 on the whole ingested grid.
    """
    home = next(model.network.parameters()).device
    (probability,) = predict_passes(model, cached.ct, mirror=False, device=str(home))
    place = Placement.from_metadata(cached.metadata)
    drawn = resample_probability(probability, cached.grid, place.box) >= THRESHOLD
    return dice(paste_box(drawn, place.box_start, place.scan.shape, 0), label > 0)


def _read(patient: str, paths: HeldOut) -> tuple[Volume, np.ndarray]:
    label = read_volume(paths.ingest, "ingest").label
    if label is None:
        raise CohortError(f"Patient {patient} ({paths.ingest}) has no label to be validated on.")
    return read_volume(paths.cache, "cache"), label
