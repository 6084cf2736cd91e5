"""The voxels of a file, whole and checked: every checksum of the stream holds, nothing is missing or left.

SimpleITK reads a truncated ``.nii.gz`` and a damaged ``.mha`` without a word and returns wrong voxels, so the
streams are decompressed here. No more is ever allocated than the header promised.
"""

import os
import zlib
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lunggtv.image_headers import Storage

CHUNK_BYTES = 1 << 20
WINDOW_BITS = {"gzip": 31, "zlib": 15}  # zlib's wbits for each container


class BrokenStream(Exception):
    """The data are truncated, damaged, or of another length than the header says; the text says which."""


def read_voxels(path: Path, storage: Storage, shape: tuple[int, ...]) -> np.ndarray:
    """The stored values, before slope and intercept, in native byte order; writable.

    Raises:
        BrokenStream: as its text says.
    """
    dtype = np.dtype(storage.dtype)
    wanted = storage.inner_offset + int(np.prod(shape, dtype=object)) * dtype.itemsize
    with open(path, "rb") as file:
        if storage.offset < 0:
            file.seek(max(os.fstat(file.fileno()).st_size - wanted, 0))
        else:
            file.seek(storage.offset)
        data = _read_plain(file, wanted) if storage.compression == "none" else _inflate(file, storage, wanted)
    voxels = np.frombuffer(data, dtype, offset=storage.inner_offset).reshape(shape)
    return voxels if dtype.isnative else voxels.astype(dtype.newbyteorder("="))


def _read_plain(file: BufferedReader, wanted: int) -> bytearray:
    have = os.fstat(file.fileno()).st_size - file.tell()
    if have != wanted:
        raise BrokenStream(_length(have, wanted))
    data = bytearray(wanted)
    file.readinto(data)
    return data


def _inflate(file: BinaryIO, storage: Storage, wanted: int) -> bytearray:
    """Decompress one or several concatenated streams (bgzip and pigz write those) of ``wanted`` bytes."""
    data = bytearray(wanted)
    filled = 0
    stream = zlib.decompressobj(WINDOW_BITS[storage.compression])
    waiting = b""
    try:
        while True:
            if stream.eof:
                # Another stream may follow; zeros after the last one are padding of tapes and blocks.
                waiting = (stream.unused_data or file.read(CHUNK_BYTES)).lstrip(b"\0")
                if not waiting:
                    break
                stream = zlib.decompressobj(WINDOW_BITS[storage.compression])
            elif not waiting and not (waiting := file.read(CHUNK_BYTES)):
                raise BrokenStream(f"is truncated: {filled} of {wanted} bytes could be read")
            # One byte more than wanted shows that there is too much without unpacking it.
            piece = stream.decompress(waiting, max(wanted - filled, 0) + 1)
            if filled + len(piece) > wanted:
                raise BrokenStream(f"holds more than the {wanted} bytes that its header says")
            data[filled : filled + len(piece)] = piece
            filled += len(piece)
            waiting = stream.unconsumed_tail
    except zlib.error as error:
        raise BrokenStream(f"is damaged: {error}") from error
    if filled != wanted:
        raise BrokenStream(_length(filled, wanted))
    return data


def _length(have: int, wanted: int) -> str:
    word = "truncated" if have < wanted else "longer than its header says"
    return f"is {word}: {have} bytes of voxels instead of {wanted}"
