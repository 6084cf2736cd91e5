"""How well each snapshot draws the held-out patients: Dice on the ingested grid, on the untouched label."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lunggtv.errors import CohortError
from lunggtv.files import write_json
from lunggtv.geometry import Grid
from lunggtv.model.architecture import Architecture
from lunggtv.model.device import claimed_device
from lunggtv.model.normalisation import Normalisation
from lunggtv.model.sliding_window import predict_probability
from lunggtv.model.weights import load_card, load_model, load_network, load_tensors
from lunggtv.resampling import resample_probability
from lunggtv.tables import read_tsv, write_tsv
from lunggtv.train.batches import Sampler
from lunggtv.train.cases import load_cases
from lunggtv.train.contact_sheet import draw_contact_sheet
from lunggtv.train.train_settings import TrainSettings
from lunggtv.train.training_curves import draw_curves
from lunggtv.volume import Volume, read_volume

VALIDATION_COLUMNS = ("step", "patient", "dice")
THRESHOLD = 0.5


@dataclass(frozen=True)
class HeldOut:
    """A held-out patient's two volumes."""

    cache: str | Path
    ingest: str | Path


def validate_fold(
    fold: int,
    weights: str | Path,
    model: str | Path,
    snapshots: str | Path,
    history: str | Path,
    held_out: Mapping[str, HeldOut],
    caches: Mapping[str, str],
    settings: TrainSettings,
    validation: str | Path,
    curves: str | Path,
    augmentation: str | Path,
    described: str | Path,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Score every snapshot and the final weights of a fold on its held-out patients.

    Writes ``validation`` (columns ``VALIDATION_COLUMNS``, by step, then in the mapping's order) and
    ``curves`` (SVG), and ``augmentation`` (PNG), a sheet of patches as the network saw them, from ``caches``,
    the training patients'. ``described`` is ``model``, the card that training wrote, with the held-out patients
    named. Kept apart from training, so that neither a held-out patient nor a change of a
    picture ever retrains a fold.

    Raises:
        CohortError: a patient was trained on, or is not labelled.
        DamagedFile: a file is not whole, or files do not belong together.
    """
    card = load_card(model)
    leaked = sorted(set(held_out) & set(card["train_patients"]))
    if leaked:
        raise CohortError(f"Fold {fold} was trained on {', '.join(leaked)}; it cannot be validated on them.")
    torch.set_num_threads(threads)
    volumes = {patient: _read(patient, paths) for patient, paths in held_out.items()}
    table = load_tensors(snapshots)
    steps = sorted({name.partition("/")[0] for name in table})
    rows = []
    with claimed_device(device) as home:
        trained = load_model(weights, model, str(home))
        for step in [*steps, None]:
            network = trained.network
            if step is not None:
                own = {n.removeprefix(f"{step}/"): t.float() for n, t in table.items() if n.startswith(step)}
                network = load_network(trained.architecture, own, snapshots, str(home))
            number = card["steps"] if step is None else int(step)
            for patient, (cached, label) in volumes.items():
                score = patient_dice(network, trained.architecture, trained.normalisation, cached, label)
                rows.append([number, patient, f"{score:.6f}"])
            mean = np.mean([float(row[2]) for row in rows if row[0] == number])
            logging.info("fold %d: step %d, mean Dice of %d patients %.3f", fold, number, len(volumes), mean)
    write_tsv(validation, VALIDATION_COLUMNS, rows)
    draw_curves(fold, read_tsv(history), read_tsv(validation), curves)
    cases = load_cases(caches, "host", torch.device("cpu"))
    sampler = Sampler(
        cases, settings.seed, fold, trained.architecture.patch_shape, settings.foreground_share,
        settings.augmentation, trained.normalisation,
    )  # fmt: skip
    draw_contact_sheet(sampler, augmentation)
    write_json(described, {**card, "held_out_patients": list(held_out)})


def patient_dice(
    network: torch.nn.Module,
    architecture: Architecture,
    normalisation: Normalisation,
    cached: Volume,
    label: np.ndarray,
) -> float:
    """Dice of a patient on the ingested grid; 1 where both are empty, 0 where one is.

    Args:
        network: in evaluation mode.
        architecture, normalisation: of the model.
        cached: the cache volume; its metadata says where the box lies.
        label: uint8 on the whole ingested grid.
    """
    home = next(network.parameters()).device
    ct = normalisation.apply(torch.from_numpy(cached.ct).to(home))
    probability = predict_probability(
        network, ct, patch_shape=architecture.patch_shape, divisor=architecture.divisor, air=normalisation.air
    )
    box = Grid.from_dict(cached.metadata["ingested"]).cropped(
        tuple(cached.metadata["box_start"]), tuple(cached.metadata["box_shape"])
    )
    drawn = resample_probability(probability.cpu().numpy(), cached.grid, box) >= THRESHOLD
    inside = tuple(
        slice(low, low + n)
        for low, n in zip(cached.metadata["box_start"], cached.metadata["box_shape"], strict=True)
    )
    total = int(drawn.sum()) + int(label.sum())
    return 2 * int((drawn & (label[inside] > 0)).sum()) / total if total else 1.0


def _read(patient: str, paths: HeldOut) -> tuple[Volume, np.ndarray]:
    label = read_volume(paths.ingest, "ingest").label
    if label is None:
        raise CohortError(f"Patient {patient} ({paths.ingest}) has no label to be validated on.")
    return read_volume(paths.cache, "cache"), label
