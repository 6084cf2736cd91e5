"""A patient's volume on disk: one HDF5 file, int16 HU, uint8 masks, self-describing.

Layout: datasets ``ct`` (int16 HU), and where they exist ``label`` and ``lungs`` (uint8, 0 and 1), all
``(z, y, x)``; attributes ``schema``, ``kind`` (``ingest`` or ``cache``), ``patient``, ``spacing_mm``,
``origin_mm``, ``direction`` and ``metadata`` (JSON text: digests, the way back, what the stage recorded).
Same content, same bytes; checksums as ``hdf5`` says.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lunggtv.errors import DamagedFile, RejectedPatient
from lunggtv.files import whole_file
from lunggtv.geometry import Grid
from lunggtv.hdf5 import new_file, read_array, read_file, read_text, write_array, write_text

SCHEMA = 2
MASKS = ("label", "lungs")
PLACE = ("spacing_mm", "origin_mm", "direction")  # of a grid
TYPES = {"ct": "int16", "label": "uint8", "lungs": "uint8"}


@dataclass(frozen=True)
class Volume:
    """A CT and its masks on one grid. ``metadata`` holds plain JSON types only."""

    patient: str
    ct: np.ndarray
    grid: Grid
    label: np.ndarray | None = None
    lungs: np.ndarray | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def write_volume(path: str | Path, kind: str, volume: Volume, packed: bool = True) -> None:
    """Write a volume, whole or not at all; the CT is compressed where ``packed``, masks always are.

    Raises ValueError on a wrong type or shape.
    """
    _check(volume.ct, volume.grid, "ct")
    with whole_file(path) as partial, new_file(partial) as file:
        _write_attributes(file, kind, volume.patient, volume.metadata)
        for name in PLACE:
            file.attrs[name] = getattr(volume.grid, name)
        write_array(file, "ct", volume.ct, packed)
        write_text(file["ct"], "units", "HU")
        for name in MASKS:
            mask = getattr(volume, name)
            if mask is not None:
                _check(mask, volume.grid, name)
                write_array(file, name, mask)


def write_rejected(path: str | Path, patient: str, message: str) -> None:
    """Write the place-holder of a rejected patient; reading it raises RejectedPatient(message)."""
    with whole_file(path) as partial, new_file(partial) as file:
        _write_attributes(file, "rejected", patient, {"message": message})


def read_volume(path: str | Path, kind: str) -> Volume:
    """Read a whole volume.

    Raises:
        RejectedPatient: ingest refused this patient; the message is ingest's.
        DamagedFile: truncated, a checksum fails, another schema or kind, or not a file of ours.
    """
    with _opened(path, kind) as (file, metadata):
        arrays = {name: read_array(file, name, dtype) for name, dtype in TYPES.items() if name in file}
        grid = Grid.from_dict({"shape": arrays["ct"].shape} | {name: file.attrs[name] for name in PLACE})
        return Volume(read_text(file, "patient"), grid=grid, metadata=metadata, **arrays)


def read_metadata(path: str | Path, kind: str) -> dict[str, Any]:
    """Read only the metadata of a volume; errors as ``read_volume``."""
    with _opened(path, kind) as (_, metadata):
        return metadata


def _write_attributes(file: h5py.File, kind: str, patient: str, metadata: dict[str, Any]) -> None:
    file.attrs["schema"] = SCHEMA
    write_text(file, "kind", kind)
    write_text(file, "patient", patient)
    content = json.dumps(metadata, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(file, "metadata", content)


@contextmanager
def _opened(path: str | Path, kind: str) -> Iterator[tuple[h5py.File, dict[str, Any]]]:
    """A volume's file and metadata; errors as ``read_volume``, also where the file is read meanwhile."""
    path = Path(path)
    try:
        with read_file(path) as file:
            if "schema" not in file.attrs or int(file.attrs["schema"]) != SCHEMA:
                raise DamagedFile(_damaged(path, f"is not of schema {SCHEMA}"))
            metadata = json.loads(read_text(file, "metadata"))
            found = read_text(file, "kind")
            if found == "rejected":
                raise RejectedPatient(metadata["message"])
            if found != kind:
                raise DamagedFile(_damaged(path, f"is a volume of stage {found}, not {kind}"))
            yield file, metadata
    except (OSError, KeyError, ValueError) as error:
        raise DamagedFile(_damaged(path, f"cannot be read ({error})")) from error


def _check(array: np.ndarray, grid: Grid, name: str) -> None:
    if array.dtype != np.dtype(TYPES[name]) or array.shape != grid.shape:
        raise ValueError(f"{name} is {array.dtype} {array.shape}; needed is {TYPES[name]} {grid.shape}")


def _damaged(path: Path, what: str) -> str:
    # results/{stage}/{patient}/volume.h5: the folder tells the patient where the file cannot.
    return (
        f"Patient {path.parent.name}, {path}: {what}. Delete the file and run snakemake again; "
        "it is rebuilt from its source."
    )
