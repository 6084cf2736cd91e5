"""The training patients of a fold in memory: read once, kept as int16 on the device, the host or on disk."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import psutil
import torch
from torch import Tensor

from lunggtv.errors import CohortError, DamagedFile
from lunggtv.geometry import Shape, Triple, three_of
from lunggtv.hdf5 import read_file
from lunggtv.model.normalisation import AIR_HU
from lunggtv.volume import read_volume

CHUNK_CACHE_BYTES = 64 * 2**20  # streaming: 1 MiB, HDF5's default, makes a patch ten times slower


@dataclass(frozen=True)
class Case:
    """One training patient. ``read(start, stop)`` gives (ct int16, label uint8) of a region inside."""

    patient: str
    path: str
    shape: Shape
    spacing_mm: Triple
    foreground: np.ndarray
    read: Callable[[Shape, Shape], tuple[Tensor, Tensor]]


def load_cases(caches: Mapping[str, str], residency: str, device: torch.device) -> list[Case]:
    """Read the caches of the training patients, in the mapping's order.

    Args:
        caches: patient -> path of its cache volume.
        residency: ``device``, ``host`` or ``stream``, see ``choose_residency``.
        device: where training computes.

    Raises:
        CohortError: no patient, or one without a label.
        DamagedFile, RejectedPatient: see ``read_volume``.
    """
    if not caches:
        raise CohortError("Training needs at least one labelled patient; this fold has none left.")
    return [_load_case(patient, path, residency, device) for patient, path in caches.items()]


def choose_residency(
    voxels: int, device: torch.device, device_share: float, host_share: float, training_bytes: int
) -> str:
    """``device`` if int16 CT and uint8 label fit in a share of its free memory and leave what training takes, else
    ``host``, else ``stream``.

    The choice never changes the samples, only where they come from.
    """
    needed = 3 * voxels
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
        if needed <= min(device_share * free, free - training_bytes):
            return "device"
    return "host" if needed <= host_share * _host_bytes_free() else "stream"


def count_voxels(caches: Mapping[str, str]) -> int:
    """Voxels of all boxes together, from the files' headers."""
    return sum(_from_header(path, lambda file: file["ct"].size) for path in caches.values())


def spacings_mm(caches: Mapping[str, str]) -> list[Triple]:
    """Spacing of every box, from the files' headers."""
    return [
        three_of(_from_header(path, lambda file: file.attrs["spacing_mm"].tolist()))
        for path in caches.values()
    ]


def _from_header(path: str, read: Callable[[h5py.File], Any]) -> Any:
    try:
        with read_file(path) as file:
            return read(file)
    except (OSError, KeyError) as error:
        raise DamagedFile(f"{path}: cannot be read ({error}). Delete it and run snakemake again.") from error


def cut_window(case: Case, start: Shape, shape: Shape) -> tuple[Tensor, Tensor]:
    """CT and label of a window that may leave the box; outside is air without GTV."""
    stop = [low + n for low, n in zip(start, shape, strict=True)]
    inner_start = [min(max(low, 0), full) for low, full in zip(start, case.shape, strict=True)]
    inner_stop = [max(min(high, full), 0) for high, full in zip(stop, case.shape, strict=True)]
    if any(low >= high for low, high in zip(inner_start, inner_stop, strict=True)):
        inner_start, inner_stop = [0, 0, 0], [0, 0, 0]
    ct, label = case.read(three_of(inner_start), three_of(inner_stop))
    if tuple(ct.shape) == tuple(shape):
        return ct, label
    full_ct = torch.full(shape, int(AIR_HU), dtype=ct.dtype, device=ct.device)
    full_label = torch.zeros(shape, dtype=label.dtype, device=label.device)
    place = tuple(
        slice(low - first, high - first)
        for low, high, first in zip(inner_start, inner_stop, start, strict=True)
    )
    if ct.numel():
        full_ct[place], full_label[place] = ct, label
    return full_ct, full_label


def _load_case(patient: str, path: str, residency: str, device: torch.device) -> Case:
    volume = read_volume(path, "cache")
    if volume.label is None:
        raise CohortError(
            f"Patient {patient} ({path}) has no label and cannot train a model. "
            "Put it under data.unlabelled, or give it a label."
        )
    shape = volume.grid.shape
    foreground = np.flatnonzero(volume.label).astype(np.int64)
    if residency == "stream":
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=CHUNK_CACHE_BYTES)
        # The cache of chunks lives only as long as its dataset is open.
        datasets = [file[name] for name in ("ct", "label")]

        def read(start: Shape, stop: Shape) -> tuple[Tensor, Tensor]:
            place = tuple(slice(low, high) for low, high in zip(start, stop, strict=True))
            arrays = (torch.from_numpy(dataset[place]) for dataset in datasets)
            ct, label = (array.to(device) for array in arrays)
            return ct, label
    else:
        home = device if residency == "device" else torch.device("cpu")
        whole_ct = torch.from_numpy(volume.ct).to(home)
        whole_label = torch.from_numpy(volume.label).to(home)

        def read(start: Shape, stop: Shape) -> tuple[Tensor, Tensor]:
            place = tuple(slice(low, high) for low, high in zip(start, stop, strict=True))
            return whole_ct[place].to(device), whole_label[place].to(device)

    return Case(patient, str(path), shape, volume.grid.spacing_mm, foreground, read)


def _host_bytes_free() -> int:
    """Memory of the machine that is free; none where it does not say, so that caches are read as they are needed."""
    try:
        return int(psutil.virtual_memory().available)
    except (OSError, RuntimeError) as error:
        logging.warning("The free memory of this machine is not known (%s).", error)
        return 0
