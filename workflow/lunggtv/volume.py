"""A patient's volume on disk: one HDF5 file, int16 HU, uint8 masks, self-describing.

Layout: datasets ``ct`` (int16 HU), and where they exist ``label`` and ``lungs`` (uint8, 0 and 1), all
``(z, y, x)``; attributes ``schema``, ``kind`` (``ingest`` or ``cache``), ``patient``, ``spacing_mm``,
``origin_mm``, ``direction`` and ``metadata`` (JSON text: digests, the way back, what the stage recorded).
Same content, same bytes; checksums as ``hdf5`` says.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lunggtv.errors import DamagedFile, RejectedPatient
from lunggtv.files import whole_file
from lunggtv.geometry import Grid, shape_of, triple_of
from lunggtv.hdf5 import new_file, read_array, read_text, write_array, write_text

SCHEMA = 2
MASKS = ("label", "lungs")
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
        file.attrs["spacing_mm"] = volume.grid.spacing_mm
        file.attrs["origin_mm"] = volume.grid.origin_mm
        file.attrs["direction"] = volume.grid.direction
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
    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            metadata = _read_metadata(path, file, kind)
            arrays = {name: read_array(file, name, dtype) for name, dtype in TYPES.items() if name in file}
            grid = Grid(
                shape_of(arrays["ct"].shape),
                triple_of(file.attrs["spacing_mm"]),
                triple_of(file.attrs["origin_mm"]),
                tuple(float(v) for v in file.attrs["direction"]),
            )
            patient = read_text(file, "patient")
    except (OSError, KeyError, ValueError) as error:
        raise DamagedFile(_damaged(path, f"cannot be read ({error})")) from error
    return Volume(patient, arrays["ct"], grid, arrays.get("label"), arrays.get("lungs"), metadata)


def read_metadata(path: str | Path, kind: str) -> dict[str, Any]:
    """Read only the metadata of a volume; errors as ``read_volume``."""
    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            return _read_metadata(path, file, kind)
    except (OSError, KeyError, ValueError) as error:
        raise DamagedFile(_damaged(path, f"cannot be read ({error})")) from error


def _write_attributes(file: h5py.File, kind: str, patient: str, metadata: dict[str, Any]) -> None:
    file.attrs["schema"] = SCHEMA
    write_text(file, "kind", kind)
    write_text(file, "patient", patient)
    content = json.dumps(metadata, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(file, "metadata", content)


def _read_metadata(path: Path, file: h5py.File, kind: str) -> dict[str, Any]:
    if "schema" not in file.attrs or int(file.attrs["schema"]) != SCHEMA:
        raise DamagedFile(_damaged(path, f"is not of schema {SCHEMA}"))
    metadata = json.loads(read_text(file, "metadata"))
    found = read_text(file, "kind")
    if found == "rejected":
        raise RejectedPatient(metadata["message"])
    if found != kind:
        raise DamagedFile(_damaged(path, f"is a volume of stage {found}, not {kind}"))
    return metadata


def _check(array: np.ndarray, grid: Grid, name: str) -> None:
    if array.dtype != np.dtype(TYPES[name]) or array.shape != grid.shape:
        raise ValueError(f"{name} is {array.dtype} {array.shape}; needed is {TYPES[name]} {grid.shape}")


def _damaged(path: Path, what: str) -> str:
    # results/{stage}/{patient}/volume.h5: the folder tells the patient where the file cannot.
    return (
        f"Patient {path.parent.name}, {path}: {what}. Delete the file and run snakemake again; "
        "it is rebuilt from its source."
    )
