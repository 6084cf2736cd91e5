"""Training of one fold on files: caches of its training patients in, a model out."""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lunggtv.code_identity import library_version
from lunggtv.errors import CohortError
from lunggtv.files import checked_digest
from lunggtv.model.architecture import Architecture
from lunggtv.model.device import claimed_device
from lunggtv.model.numerics import NAMES
from lunggtv.model.weights import refresh_card
from lunggtv.train.cases import choose_residency, count_voxels, load_cases, spacings_mm
from lunggtv.train.cpu_hours import refuse_days
from lunggtv.train.deliver import FoldFiles, deliver
from lunggtv.train.doubts import refuse_doubtful
from lunggtv.train.fit import fit, planned, snapshot_steps
from lunggtv.train.memory import free_text, planned_weights, training_bytes
from lunggtv.train.progress import announce
from lunggtv.train.read_start import read_start, refuse_known, refuse_unlike
from lunggtv.train.state import (
    fingerprint_of,
    keep_finished,
    load_snapshots,
    open_state_folder,
    restore_finished,
)
from lunggtv.train.state_folder import StateFolder
from lunggtv.train.train_settings import TrainSettings
from lunggtv.volume import read_metadata
from lunggtv.wording import by

SAVE_EVERY_S = 180.0
DEVICE_SHARE = 0.25  # of the free device memory that resident volumes may take
HOST_SHARE = 0.5  # of the free host memory likewise
WHERE = {"device": "kept on the device", "host": "kept in host memory", "stream": "streamed from disk"}
VERSIONS = ("h5py", "numpy", "safetensors", "torch")


def train_fold(
    *,
    fold: int,
    caches: Mapping[str, str],
    verdicts: Mapping[str, Mapping[str, Any]],
    settings: TrainSettings,
    config: Mapping[str, Any],
    identity: Mapping[str, str],
    files: FoldFiles,
    state_folder: str | Path,
    device: str = "auto",
    threads: int = 1,
    save_every_s: float = SAVE_EVERY_S,
    residency: str = "auto",
    cpu_hours: float = math.inf,
    start_from: tuple[str | Path, str | Path] | None = None,
) -> None:
    """Train one fold, going on from its own state if there is one, and write its files.

    Args:
        fold: number of the fold.
        caches: training patient -> cache volume, as it was written; nothing of a held-out patient is read here.
        verdicts: labelled patient -> content of its verdict, as far as there are any; they decide no bit.
        settings: what shapes the weights.
        config: plain config for the model's card.
        identity: fingerprint of the code that decides what is delivered, for the card and the state.
        files: what to write.
        state_folder: undeclared folder of states, shared by all folds.
        device: ``auto`` (a free CUDA device, else the CPU), ``cpu``, ``cuda`` or ``cuda:<n>``.
        threads: CPU threads; weights are bit-identical for the same number.
        save_every_s: seconds between states.
        residency: ``auto``, ``device``, ``host`` or ``stream``; never changes a sample.
        cpu_hours: how long a training on a CPU may take; one that would take longer is not begun.
        start_from: weights and card of a model to begin from.

    Raises:
        CohortError: the cohort is in doubt, see ``refuse_doubtful``; the start knows a held-out patient.
        ConfigError: the start's network is another one.
        DamagedFile, RejectedPatient: a cache cannot be used.
        TrainingFailed, TrainingStopped: see ``fit``.
    """
    refuse_doubtful(verdicts)
    digests = {patient: checked_digest(path) for patient, path in caches.items()}
    scans = distinct_scans(caches)
    start = read_start(*start_from) if start_from else None
    if start is not None:
        refuse_known(start, verdicts, caches)
        refuse_unlike(start, planned(spacings_mm(caches), settings))
    began = {"start": start.identity} if start else {}
    taught = {*scans, *(start.scans if start else ())}
    content = {
        "code": dict(identity),
        "digests": digests,
        "fold": fold,
        "patients": list(caches),  # their order decides which samples are drawn
        "settings": settings.to_dict(),
        **began,
    }
    folder = open_state_folder(state_folder, fold, fingerprint_of(content))
    kept = {
        "weights.safetensors": Path(files.weights), "history.tsv": Path(files.history),
        "snapshots.safetensors": Path(files.snapshots), "samples.safetensors": Path(files.samples),
        "card.json": Path(files.card),
    }  # fmt: skip
    card = {
        "cache_digests": digests, "ct_digests": sorted(taught), "code": dict(identity),
        "config": dict(config), "fold": fold, "seed": settings.seed, "steps": settings.steps,
        "train_patients": list(caches),
        "versions": {name: library_version(name) for name in VERSIONS},
        **began,
    }  # fmt: skip
    if restore_finished(folder, kept):
        logging.info("fold %d: finished before with the same content; restored", fold)
        refresh_card(files.card, card)
        return
    with claimed_device(device, insist=True) as home:
        plan = planned(spacings_mm(caches), settings)
        if home.type == "cpu" and math.isfinite(cpu_hours):
            refuse_days(fold, plan, settings, threads, cpu_hours)
        choice = residency
        if residency == "auto":
            # Whether half precision can be used is found out later.
            taken = training_bytes(plan, settings.batch, planned_weights(plan), autocast=False)
            choice = choose_residency(count_voxels(caches), home, DEVICE_SHARE, HOST_SHARE, taken)
        cases = load_cases(caches, choice, home)

        def started(architecture: Architecture, weights: int, precision: str) -> None:
            needed = training_bytes(architecture, settings.batch, weights, precision != NAMES[None])
            announce(
                f"fold {fold}: {len(cases)} patients ({WHERE[choice]}), training on {home} in "
                f"{precision}; patches of "
                f"{by(architecture.patch_shape)} voxels, {weights / 1e6:.1f} million weights, "
                f"about {needed / 1e9:.1f} GB of memory{free_text(home)}"
            )

        trained = fit(fold, cases, settings, home, threads, StateFolder(folder), save_every_s, started, start)
    snapshots = load_snapshots(folder, snapshot_steps(settings))
    deliver(trained, [case.spacing_mm for case in cases], snapshots, card, files)
    keep_finished(folder, kept)


def distinct_scans(caches: Mapping[str, str]) -> dict[str, str]:
    """Content digest of each CT -> patient.

    The model's card keeps the digests, so that nobody is drafted by a model that learnt from the same scan under
    another name. Raises CohortError where two training patients share a CT.
    """
    scans: dict[str, str] = {}
    for patient, path in caches.items():
        digest = read_metadata(path, "cache")["ct_digest"]
        if digest in scans:
            raise CohortError(
                f"Patients {scans[digest]} and {patient} have the same CT; training would count it twice. Name "
                "one of them under data.exclude."
            )
        scans[digest] = patient
    return scans
