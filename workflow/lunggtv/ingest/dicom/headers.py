"""The headers of a patient's DICOM files, sorted into CT slices, structure sets and the rest.

No header value leaves this module but geometry and, inside ``CtSlice``, the UIDs that tie files together;
those are kept out of ``repr`` and are never printed.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, cast

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag

from lunggtv.geometry import Triple, three_of
from lunggtv.ingest.dicom.kinds import (
    CT_IMAGE,
    EMPTY,
    NOT_DICOM,
    OTHER,
    RTSTRUCT,
    SEGMENTATION,
    UNREADABLE,
    begins_a_data_set,
    has_class,
    holds_structures,
    is_another_kind,
    kind_of,
    may_be_dicom,
)
from lunggtv.ingest.dicom.limits import BoundedFile, check_deflated, is_deflated
from lunggtv.ingest.dicom.values import READ_ERRORS, numbers_of, text_of
from lunggtv.ingest.raw_scan import Refused

HEADER_TAGS: list[BaseTag | int] = sorted(
    Tag(keyword)
    for keyword in (
        "SpecificCharacterSet", "ImageType", "SOPClassUID", "Modality", "SOPInstanceUID", "GantryDetectorTilt",
        "SeriesInstanceUID", "AcquisitionNumber", "ImagePositionPatient", "ImageOrientationPatient",
        "FrameOfReferenceUID", "SamplesPerPixel", "NumberOfFrames", "Rows", "Columns", "PixelSpacing",
    )
)  # fmt: skip
FIRST_BYTES = 1024
STRUCTURES_WITHIN = 1 << 22  # bytes before which a structure set names its structures


@dataclass(frozen=True)
class SlicePlace:
    """Where a CT image lies: ``pixel_spacing_mm`` is (y, x); ``position_mm`` and the six cosines of ``orientation`` are
    as DICOM has them (LPS)."""

    pixel_spacing_mm: tuple[float, float]
    position_mm: Triple
    orientation: tuple[float, ...]


@dataclass(frozen=True)
class CtSlice:
    """Header of one CT image; ``place`` is None where the header does not say it whole, or cannot be read."""

    path: Path
    name: str
    rows: int
    columns: int
    place: SlicePlace | None
    tilt_degrees: float
    series_uid: str = field(repr=False)
    sop_uid: str = field(repr=False)
    frame_uid: str = field(repr=False)
    acquisition: str = field(repr=False)


@dataclass(frozen=True)
class Inventory:
    """What a folder holds. ``skipped`` counts the files by kind that are neither CT images nor structure sets;
    ``suspect`` are those among them that may be DICOM but cannot be read, ``segmentations`` may hold a label."""

    slices: tuple[CtSlice, ...]
    structure_sets: tuple[Path, ...]
    skipped: dict[str, int]
    suspect: tuple[str, ...]
    segmentations: tuple[Path, ...] = ()

    def without_one(self, kind: str) -> "Inventory":
        """The same, with one file less of a kind among the skipped."""
        return replace(self, skipped=self.skipped | {kind: self.skipped[kind] - 1})

    def skipped_text(self) -> str:
        """The skipped files in words, as ``2 RTDOSE, 1 scout``; ``nothing`` if none."""
        return ", ".join(f"{n} {kind}" for kind, n in sorted(self.skipped.items()) if n) or "nothing"


def take_inventory(files: Sequence[Path], folder: Path) -> Inventory:
    """Read the headers of all files, without pixels; any order, any names.

    Raises:
        Refused: a file is DICOM but its header is cut or unreadable.
    """
    slices: list[CtSlice] = []
    structure_sets: list[Path] = []
    skipped: Counter[str] = Counter()
    suspect: list[str] = []
    segmentations: list[Path] = []
    for path in files:
        name = relative_name(path, folder)
        header = _read_header(path, name)
        kind = header if isinstance(header, str) else kind_of(header) or UNREADABLE
        is_odd = kind in (OTHER, UNREADABLE) and not isinstance(header, str)
        if is_odd and holds_structures(_start_of(path, STRUCTURES_WITHIN)):
            kind = RTSTRUCT
        if kind == UNREADABLE or (kind == EMPTY and may_be_dicom(path.name, b"")):
            suspect.append(name)
        if kind == CT_IMAGE and not isinstance(header, str):
            slices.append(_ct_slice(header, path, name))
        elif kind == RTSTRUCT:
            structure_sets.append(path)
        else:
            skipped[kind] += 1
            segmentations += [path] if kind == SEGMENTATION else []
    return Inventory(
        tuple(slices), tuple(structure_sets), dict(skipped), tuple(suspect), tuple(segmentations)
    )


def relative_name(path: Path, folder: Path) -> str:
    """A file's name below the patient's folder, with forward slashes."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _read_header(path: Path, name: str) -> pydicom.FileDataset | str:
    """The header, or the kind of a file that has none."""
    try:
        with open(path, "rb") as file:
            packed = is_deflated(file)
            if packed:
                check_deflated(file)
            header = _read_tags(file if packed else BoundedFile(file))
    except InvalidDicomError:
        return _header_without_prefix(path)
    except PermissionError:
        raise Refused(
            "unreadable_file", f"{name}: not allowed to read the file. Mend its permissions."
        ) from None
    except READ_ERRORS:
        raise _damaged(name) from None
    if not has_class(header):
        raise _damaged(name)
    return header


def _read_tags(file: BinaryIO | BoundedFile, force: bool = False) -> pydicom.FileDataset:
    # Pydicom asks for read, seek and tell alone, whatever its types say.
    whole = cast(BinaryIO, file)
    return read_partial(whole, stop_when=_past_header, force=force, specific_tags=HEADER_TAGS)


def _past_header(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag > HEADER_TAGS[-1]


def _header_without_prefix(path: Path) -> pydicom.FileDataset | str:
    """As ``_read_header`` for a file without preamble and prefix, as some planning systems write them."""
    start = _start_of(path, FIRST_BYTES)
    if not start:
        return EMPTY
    if begins_a_data_set(start):
        with open(path, "rb") as file, suppress(*READ_ERRORS):
            header = _read_tags(BoundedFile(file), force=True)
            if has_class(header):
                return header
        return NOT_DICOM if is_another_kind(path.name) else UNREADABLE
    return UNREADABLE if may_be_dicom(path.name, start) else NOT_DICOM


def _start_of(path: Path, count: int) -> bytes:
    with open(path, "rb") as file:
        return file.read(count)


def _ct_slice(header: pydicom.Dataset, path: Path, name: str) -> CtSlice:
    rows, columns = numbers_of(header, "Rows", 1), numbers_of(header, "Columns", 1)
    if rows is None or columns is None:
        raise _damaged(name)
    if not text_of(header, "SeriesInstanceUID") or not text_of(header, "SOPInstanceUID"):
        raise _damaged(name)
    return CtSlice(
        path=path,
        name=name,
        rows=int(rows[0]),
        columns=int(columns[0]),
        place=_place(header),
        tilt_degrees=(numbers_of(header, "GantryDetectorTilt", 1) or (0.0,))[0],
        series_uid=text_of(header, "SeriesInstanceUID"),
        sop_uid=text_of(header, "SOPInstanceUID"),
        frame_uid=text_of(header, "FrameOfReferenceUID"),
        acquisition=text_of(header, "AcquisitionNumber"),
    )


def _place(header: pydicom.Dataset) -> SlicePlace | None:
    spacing_mm = numbers_of(header, "PixelSpacing", 2)
    position_mm = numbers_of(header, "ImagePositionPatient", 3)
    orientation = numbers_of(header, "ImageOrientationPatient", 6)
    if spacing_mm is None or position_mm is None or orientation is None:
        return None
    return SlicePlace((spacing_mm[0], spacing_mm[1]), three_of(position_mm), orientation)


def _damaged(name: str) -> Refused:
    return Refused(
        "damaged_file",
        f"{name}: the DICOM header is cut short or unreadable. Copy the file again from its source; if it is "
        "not part of the CT, take it out of the folder.",
    )
