"""How large a scan is, before it is read: what the memory that a job asks for follows. Standard library only."""

import gzip
import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lunggtv.image_headers import (
    FORMATS,
    NIFTI_BYTES,
    TEXT_HEADER_LIMIT,
    BadHeader,
    Storage,
    read_storage,
    suffix_of,
)
from lunggtv.patient_files import PatientFiles

INT16_BYTES = 2
DICOM_HEADER_BYTES = 1 << 16  # of a slice's file, in which its rows and columns are looked for
# Rows and columns (0028,0010) and (0028,0011), little endian, with and without their type.
ROWS, COLUMNS = (
    re.compile(rb"\x28\x00" + tag + rb"\x00(?:US\x02\x00|\x02\x00\x00\x00)(..)", re.DOTALL)
    for tag in (rb"\x10", rb"\x11")
)
SIZES = {
    "nrrd": re.compile(rb"^sizes:[ \t]*([\d \t]+)", re.MULTILINE),
    "metaimage": re.compile(rb"^DimSize[ \t]*=[ \t]*([\d \t]+)", re.MULTILINE),
}


@dataclass(frozen=True)
class ScanSize:
    """Voxels of a scan, and bytes of the number that each is stored as; ``scaled`` by a slope or intercept."""

    voxels: int
    stored_bytes: int = INT16_BYTES
    scaled: bool = False


def scan_size(files: PatientFiles) -> ScanSize | None:
    """The size of a patient's CT by its headers; None where they do not say, or there is no file.

    Of DICOM it is an upper bound: every file of the folder counts as a slice.
    """
    try:
        if files.image is None:
            return _of_slices(files.files)
        storage = read_storage(files.image)
        voxels = _voxels(files.image, storage)
    except (OSError, BadHeader, ValueError, struct.error):
        return None
    scaled = (storage.slope, storage.intercept) != (1.0, 0.0)
    return ScanSize(voxels, int(storage.dtype[2:]), scaled) if voxels > 0 else None


def _voxels(path: Path, storage: Storage) -> int:
    kind = FORMATS[suffix_of(path.name) or ""]
    if kind == "nifti":
        with gzip.open(path) if storage.compression == "gzip" else open(path, "rb") as file:
            header = file.read(NIFTI_BYTES)
        return math.prod(struct.unpack_from(f"{storage.dtype[0]}3h", header, 42))
    with open(path, "rb") as text:
        found = SIZES[kind].search(text.read(TEXT_HEADER_LIMIT))
    return math.prod(map(int, found[1].split()[:3])) if found else 0


def _of_slices(files: Sequence[Path]) -> ScanSize | None:
    if not files:
        return None
    with open(files[len(files) // 2], "rb") as file:
        start = file.read(DICOM_HEADER_BYTES)
    rows, columns = (tag.search(start) for tag in (ROWS, COLUMNS))
    voxels = sum(file.stat().st_size for file in files) // INT16_BYTES
    if rows and columns:  # compressed slices are smaller than what is read from them
        one = struct.unpack("<H", rows[1])[0] * struct.unpack("<H", columns[1])[0]
        voxels = max(voxels, one * len(files))
    return ScanSize(voxels) if voxels > 0 else None
