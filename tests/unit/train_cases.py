"""A tiny cohort and tiny settings, with which a fold trains in a second."""

import hashlib
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lunggtv.geometry import Grid, Orientation
from lunggtv.model.architecture import Architecture
from lunggtv.train.batches import Sampler, make_batch
from lunggtv.train.cases import load_cases
from lunggtv.train.deliver import FoldFiles
from lunggtv.train.fit import prepare
from lunggtv.train.train_fold import train_fold
from lunggtv.train.train_settings import AugmentationSettings, NetworkSettings, TrainSettings
from lunggtv.volume import Volume, write_volume

CPU = torch.device("cpu")
SPACING = (6.0, 3.0, 3.0)
AXES = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SETTINGS = TrainSettings(
    seed=1, steps=20, batch=2, patch_shape=(8, 16, 16), foreground_share=0.5,
    network=NetworkSettings("residual_encoder", 4, 8, (1,)), optimiser="sgd", learning_rate=0.02,
    momentum=0.9, weight_decay=1e-4, clip_norm=12.0, ema_decay=0.9, deep_supervision=True, snapshots=3,
    deterministic=True, compile=False, mixed_precision=True,
    augmentation=AugmentationSettings(
        mirror_share=0.5, geometry_share=0.5, rotation_in_plane_deg=20.0, rotation_out_of_plane_deg=5.0,
        scale=(0.8, 1.25), elastic_share=0.3, elastic_mm=4.0, elastic_spacing_mm=30.0,
        low_resolution_share=0.3, low_resolution=(0.5, 1.0), blur_share=0.3, blur_mm=(0.5, 4.0),
        noise_share=0.5, noise_hu=40.0, brightness_share=0.3, brightness_hu=30.0, contrast_share=0.3,
        contrast=(0.8, 1.25), gamma_share=0.3, gamma=(0.8, 1.25),
    ),
)  # fmt: skip


def array_digest(array: np.ndarray) -> str:
    """A digest that another array does not have."""
    return hashlib.sha256(array.tobytes()).hexdigest()


def write_patient(folder: Path, patient: str, shape=(12, 28, 30), spacing_mm=SPACING) -> str:
    """A patient with a ball of tumour in lung; its ingest and cache volumes share one grid."""
    generator = np.random.default_rng(int(patient))
    place = np.indices(shape).transpose(1, 2, 3, 0) * spacing_mm
    centre = np.array(shape) * spacing_mm * generator.uniform(0.35, 0.65, 3)
    label = (np.linalg.norm(place - centre, axis=-1) < 16.0).astype(np.uint8)
    ct = generator.normal(-850, 30, shape)
    ct[label > 0] += 880
    grid = Grid(shape, spacing_mm, (0.0, 0.0, 0.0), AXES)
    ct = ct.astype(np.int16)
    metadata = {
        "ingested": grid.to_dict(), "box_start": [0, 0, 0], "box_shape": list(shape),
        "ct_digest": array_digest(ct), "original": grid.to_dict(),
        "orientation": Orientation((0, 1, 2), (False, False, False)).to_dict(),
    }  # fmt: skip
    path = folder / f"{patient}.cache.h5"
    write_volume(path, "cache", Volume(patient, ct, grid, label, None, metadata))
    write_volume(folder / f"{patient}.ingest.h5", "ingest", Volume(patient, ct, grid, label, None, {}))
    return str(path)


def write_cohort(folder: Path, count: int = 3) -> dict[str, str]:
    """Caches of patients 1 to ``count``."""
    folder.mkdir(parents=True, exist_ok=True)
    return {str(n): write_patient(folder, str(n)) for n in range(1, count + 1)}


def prepared(folder: Path, **over) -> tuple[Architecture, Sampler]:
    """Plan and sampler of fold 0 on a cohort written to ``folder``; ``over`` replaces settings."""
    return prepare(0, load_cases(write_cohort(folder), "host", CPU), replace(SETTINGS, **over))


def files_in(folder: Path) -> FoldFiles:
    return FoldFiles(
        weights=folder / "weights.safetensors", card=folder / "card.json", history=folder / "history.tsv",
        snapshots=folder / "snapshots.safetensors", samples=folder / "samples.safetensors",
    )  # fmt: skip


def train_tiny(out: Path, caches: dict[str, str], state: Path, **over) -> FoldFiles:
    """Train fold 0 on the CPU; ``over`` replaces settings or arguments."""
    settings = replace(SETTINGS, **{k: over.pop(k) for k in list(over) if hasattr(SETTINGS, k)})
    files = files_in(out)
    arguments = {
        "fold": 0, "verdicts": {}, "config": {"steps": settings.steps}, "identity": {"train": "ab"}, "device": "cpu",
    } | over  # fmt: skip
    train_fold(caches=caches, settings=settings, files=files, state_folder=state, **arguments)
    return files


def contents(files: FoldFiles) -> dict[str, bytes]:
    return {name: Path(path).read_bytes() for name, path in vars(files).items()}


def stopping_batch(call: int, number: int = signal.SIGTERM):
    """``make_batch`` that asks this process to stop at the given call."""
    calls = []

    def batch_with_signal(sampler, indices):
        calls.append(indices)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return make_batch(sampler, indices)

    batch_with_signal.calls = calls
    return batch_with_signal


if __name__ == "__main__":
    # What the tests kill: trains the cohort of a folder, writing its state after every step.
    root = Path(sys.argv[1])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cohort = {path.name.split(".")[0]: str(path) for path in sorted((root / "data").glob("*.cache.h5"))}
    train_tiny(root / "killed", cohort, root / "state", save_every_s=0.0, steps=int(sys.argv[2]))
