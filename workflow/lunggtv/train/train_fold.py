"""Training of one fold: caches of its training patients in, a model out. The only files of the room."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lunggtv.code_identity import library_version
from lunggtv.errors import CohortError
from lunggtv.files import file_digest
from lunggtv.model.architecture import Architecture, plan_architecture
from lunggtv.model.device import claimed_device, place_network
from lunggtv.model.network import build_network, parameter_count
from lunggtv.model.normalisation import fit_normalisation
from lunggtv.model.weights import refresh_card, save_model, save_tensors
from lunggtv.tables import write_tsv
from lunggtv.train.batches import Sampler
from lunggtv.train.cases import Case, choose_residency, count_voxels, load_cases
from lunggtv.train.fit import (
    HISTORY_COLUMNS,
    Surroundings,
    averaged_weights,
    snapshot_steps,
    start_run,
    train,
)
from lunggtv.train.memory import bfloat16_works, free_text, training_bytes
from lunggtv.train.progress import announce
from lunggtv.train.state import (
    fingerprint_of,
    keep_finished,
    load_snapshots,
    open_state_folder,
    restore_finished,
)
from lunggtv.train.train_settings import TrainSettings, spacing_of
from lunggtv.volume import read_metadata

SAVE_EVERY_S = 180.0
DEVICE_SHARE = 0.25  # of the free device memory that resident volumes may take
HOST_SHARE = 0.5  # of the free host memory likewise
WHERE = {"device": "kept on the device", "host": "kept in host memory", "stream": "streamed from disk"}
VERSIONS = ("h5py", "numpy", "safetensors", "torch")


@dataclass(frozen=True)
class FoldFiles:
    """What training a fold writes. ``snapshots`` holds earlier averaged weights (half precision), named
    ``<step>/<tensor>``; ``history`` has the columns of ``fit.HISTORY_COLUMNS``, each value the mean of the
    steps since the row before."""

    weights: str | Path
    model: str | Path
    history: str | Path
    snapshots: str | Path


def train_fold(
    fold: int,
    caches: Mapping[str, str],
    held_out: Sequence[str],
    settings: TrainSettings,
    config: Mapping[str, Any],
    code: Mapping[str, str],
    files: FoldFiles,
    state_folder: str | Path,
    device: str = "auto",
    threads: int = 1,
    save_every_s: float = SAVE_EVERY_S,
    residency: str = "auto",
) -> None:
    """Train one fold, going on from its own state if there is one, and write its files.

    Args:
        fold: number of the fold.
        caches: training patient -> cache volume; nothing of a held-out patient is read here.
        held_out: names of the held-out patients, for the model's card.
        settings: what shapes the weights.
        config: plain config for the model's card.
        code: fingerprint of the code, for the card and the state.
        files: what to write.
        state_folder: undeclared folder of states, shared by all folds.
        device: ``auto`` (a free CUDA device, else the CPU), ``cpu``, ``cuda`` or ``cuda:<n>``.
        threads: CPU threads; weights are bit-identical for the same number.
        save_every_s: seconds between states.
        residency: ``auto``, ``device``, ``host`` or ``stream``; never changes a sample.

    Raises:
        CohortError, DamagedFile, RejectedPatient: the caches cannot be used.
        TrainingFailed, TrainingStopped: see ``fit``.
    """
    digests = {patient: file_digest(path) for patient, path in caches.items()}
    scans = distinct_scans(caches)
    content = {"code": dict(code), "digests": digests, "fold": fold, "settings": settings.to_dict()}
    folder = open_state_folder(state_folder, fold, fingerprint_of(content))
    kept = {
        "weights.safetensors": Path(files.weights), "history.tsv": Path(files.history),
        "snapshots.safetensors": Path(files.snapshots), "model.json": Path(files.model),
    }  # fmt: skip
    card = {
        "cache_digests": digests, "ct_digests": sorted(scans), "code": dict(code), "config": dict(config), "fold": fold,
        "held_out_patients": list(held_out), "seed": settings.seed, "steps": settings.steps,
        "train_patients": list(caches),
        "versions": {name: library_version(name) for name in VERSIONS},
    }  # fmt: skip
    if restore_finished(folder, kept):
        logging.info("fold %d: finished before with the same content; restored", fold)
        refresh_card(files.model, card)
        return
    with claimed_device(device) as home, numerics(settings.deterministic, threads):
        choice = residency
        if residency == "auto":
            choice = choose_residency(count_voxels(caches), home, DEVICE_SHARE, HOST_SHARE)
        cases = load_cases(caches, choice, home)
        architecture, sampler = prepare(fold, cases, settings)
        network = place_network(new_network(architecture, settings.seed, fold), home)
        autocast = settings.bfloat16 and home.type == "cuda" and bfloat16_works(home)
        needed = training_bytes(architecture, settings.batch, parameter_count(network), autocast)
        announce(
            f"fold {fold}: {len(cases)} patients ({WHERE[choice]}), training on {home}; patches of "
            f"{' x '.join(map(str, architecture.patch_shape))} voxels, {parameter_count(network) / 1e6:.1f} "
            f"million weights, about {needed / 1e9:.1f} GB of memory{free_text(home)}"
        )
        around = Surroundings(folder, home, autocast, save_every_s, settings.compile)
        run = start_run(network, settings)
        train(run, sampler, settings, around)
        spacings = list(zip(*(case.spacing_mm for case in cases), strict=True))
        card |= {
            "architecture": architecture.to_dict(),
            "normalisation": sampler.normalisation.to_dict(),
            "spacing_mm": list(architecture.spacing_mm),
            "spacing_range_mm": [[min(axis) for axis in spacings], [max(axis) for axis in spacings]],
        }
        save_model(files.weights, files.model, averaged_weights(run), card)
    save_tensors(files.snapshots, load_snapshots(folder, snapshot_steps(settings)))
    write_tsv(files.history, HISTORY_COLUMNS, [[f"{value:.6g}" for value in row] for row in run.history])
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


def prepare(fold: int, cases: list[Case], settings: TrainSettings) -> tuple[Architecture, Sampler]:
    """The network's plan and the sampler, from the training patients alone."""
    architecture = plan_architecture(
        settings.network.name, spacing_of([case.spacing_mm for case in cases]), settings.patch_shape,
        settings.network.width, settings.network.max_width, settings.network.blocks,
    )  # fmt: skip
    normalisation = fit_normalisation(
        (ct.cpu().numpy(), label.cpu().numpy())
        for ct, label in (case.read((0, 0, 0), case.shape) for case in cases)
    )
    sampler = Sampler(
        cases, settings.seed, fold, architecture.patch_shape, settings.foreground_share,
        settings.augmentation, normalisation,
    )  # fmt: skip
    return architecture, sampler


def new_network(architecture: Architecture, seed: int, fold: int) -> torch.nn.Module:
    """A network with initial weights drawn from (seed, fold), on the CPU, so that they do not depend on the
    device; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed * 1000 + fold)
        return build_network(architecture)


@contextmanager
def numerics(deterministic: bool, threads: int) -> Iterator[None]:
    """Threads and determinism of torch for a while."""
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    torch.set_num_threads(threads)
    if deterministic:
        # cuBLAS asks for this before its first call on a device (CUDA 10.2 and later).
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    # Searching for the fastest algorithm may find another one next time.
    torch.backends.cudnn.benchmark = not deterministic
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
