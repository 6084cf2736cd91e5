"""What the models say about one patient, on disk: HDF5 with a probability array a pass, and where it lies.

Layout: dataset ``passes`` (uint16, 65535 is probability 1; pass, z, y, x); attributes ``schema``, ``patient``
and ``metadata`` (JSON text). Same content, same bytes; checksums as ``hdf5`` says.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lunggtv.errors import DamagedFile
from lunggtv.files import whole_file
from lunggtv.geometry import Grid
from lunggtv.hdf5 import new_file, read_array, read_file, read_text, write_array, write_text

SCHEMA = 2
SCALE = 65535


@dataclass(frozen=True)
class Prediction:
    """Probabilities of a patient.

    Attributes:
        patient: id.
        passes: (pass, z, y, x) uint16, ``SCALE`` is 1: each model once, or plain and then mirrored.
        grid: the cache's grid, on which they lie.
        models: name, fold and weights' digest of each model.
        cache: the metadata of the cache.
        cache_sha256: digest of the cache's file.
    """

    patient: str
    passes: np.ndarray
    grid: Grid
    models: list[dict[str, Any]]
    cache: dict[str, Any] = field(default_factory=dict)
    cache_sha256: str = ""

    @property
    def probabilities(self) -> np.ndarray:
        """Probabilities (model, pass, z, y, x) float32."""
        models = self.passes.reshape(len(self.models), -1, *self.passes.shape[1:])
        return models / np.float32(SCALE)

    @property
    def mean(self) -> np.ndarray:
        """Mean probability (z, y, x) float32."""
        total = self.passes.sum(axis=0, dtype=np.uint32)
        return np.divide(total, SCALE * len(self.passes), dtype=np.float32)


def quantised(probability: np.ndarray) -> np.ndarray:
    """Probabilities as stored, uint16."""
    return np.rint(probability * np.float32(SCALE)).astype(np.uint16)


def write_prediction(path: str | Path, prediction: Prediction) -> None:
    """Write a prediction, whole or not at all."""
    metadata = {
        "cache": prediction.cache,
        "cache_sha256": prediction.cache_sha256,
        "grid": prediction.grid.to_dict(),
        "models": prediction.models,
    }
    with whole_file(path) as partial, new_file(partial) as file:
        file.attrs["schema"] = SCHEMA
        write_text(file, "patient", prediction.patient)
        content = json.dumps(metadata, sort_keys=True, ensure_ascii=False, allow_nan=False)
        write_text(file, "metadata", content)
        write_array(file, "passes", prediction.passes)


def read_prediction(path: str | Path) -> Prediction:
    """Read a prediction. Raises DamagedFile."""
    try:
        with read_file(path) as file:
            if int(file.attrs["schema"]) != SCHEMA:
                raise ValueError(f"schema {file.attrs['schema']}, not {SCHEMA}")
            metadata = json.loads(read_text(file, "metadata"))
            return Prediction(
                read_text(file, "patient"),
                read_array(file, "passes", "uint16"),
                Grid.from_dict(metadata["grid"]),
                metadata["models"],
                metadata["cache"],
                metadata["cache_sha256"],
            )
    except (OSError, KeyError, ValueError) as error:
        raise DamagedFile(
            f"{path}: cannot be read ({error}). Delete the file and run snakemake again to predict it anew."
        ) from error
