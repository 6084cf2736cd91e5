"""HDF5 as our files use it: no times, and every byte that matters under a checksum.

Fletcher-32 guards every chunk; HDF5's own checksum guards headers, where texts of fixed length lie (HDF5 keeps
texts of variable length in a heap without one; a flipped bit there reads as another text, or never ends).
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from lunggtv.errors import REFUSALS

# A chunk is as many rows of one slice as make 128 KiB of int16. Slices suit the data: no chunk reaches over an edge,
# and rows go into it as they lie in memory (measured against blocks: bench/results/hdf5_codecs.md).
CHUNK_VOXELS = 2**16
# Deflate packs at most 1032 to 1 (zlib's technical notes); what promises more than the file holds is not whole.
LARGEST_RATIO = 1040


@contextmanager
def new_file(path: Path) -> Iterator[h5py.File]:
    """A file to write; same content, same bytes.

    It is built in memory and written by Python. HDF5 itself meets a full disk only when it closes the file, where
    h5py drops the error and leaves a torn file behind without a word.
    """
    with h5py.File(path, "w", driver="core", backing_store=False, libver=("v110", "v110")) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    path.write_bytes(image)


@contextmanager
def read_file(path: str | Path) -> Iterator[h5py.File]:
    """A file to read, without a lock: ours are whole or absent, and not every file system has locks.

    Raises OSError; where the machine refuses, with the path, which HDF5 leaves out.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except OSError as error:
        if error.errno in REFUSALS and error.filename is None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


def write_text(place: h5py.File | h5py.Dataset, name: str, text: str) -> None:
    """Write a text attribute of fixed length; what is no UTF-8 as ``files.write_text`` writes it."""
    encoded = text.encode("utf-8", "backslashreplace")
    place.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", max(1, len(encoded))))


def read_text(file: h5py.File, name: str) -> str:
    """Read a text attribute. Raises ValueError if it is not as ``write_text`` writes it, KeyError if absent."""
    text = file.attrs[name]
    if not isinstance(text, bytes):
        raise ValueError(f"attribute {name} is not as this version writes it")
    return text.decode("utf-8")


def write_array(file: h5py.File, name: str, array: np.ndarray, packed: bool = True) -> None:
    """Write an array (..., y, x) in chunks of whole rows, compressed where ``packed``."""
    *outer, rows, columns = array.shape
    # As even as can be: HDF5 stores the part of a chunk that hangs over the edge, too.
    pieces = math.ceil(rows * columns / CHUNK_VOXELS)
    chunk = (*(1 for _ in outer), math.ceil(rows / max(pieces, 1)), columns)
    packing = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if packed else {}
    file.create_dataset(name, data=array, chunks=chunk, fletcher32=True, track_times=False, **packing)


def read_array(file: h5py.File, name: str, dtype: str) -> np.ndarray:
    """Read a whole array. No more memory is taken than the bytes in the file can fill.

    Raises ValueError if it is of another kind than ``write_array`` makes or promises more than the file holds,
    KeyError if absent, OSError if a checksum fails.
    """
    link = file.get(name, getlink=True)
    dataset = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype != np.dtype(dtype) or dataset.chunks is None:
        raise ValueError(f"{name} is not an array as this version writes it")
    try:
        stored_bytes = dataset.id.get_storage_size()
    except RuntimeError as error:  # what h5py makes of a checksum that fails here
        raise OSError(str(error)) from error
    if dataset.nbytes > LARGEST_RATIO * stored_bytes:
        raise ValueError(f"{name} promises {dataset.shape} voxels, but the file holds too few bytes for them")
    return dataset[()]
