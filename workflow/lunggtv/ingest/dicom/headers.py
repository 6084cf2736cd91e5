"""The headers of a patient's DICOM files, sorted into CT slices, structure sets and the rest.

No header value leaves this module but geometry and, inside ``CtSlice``, the ids that tie files together;
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
from lunggtv.ingest.dicom.damaged_headers import STRUCTURES_WITHIN, kind_of_damaged
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
from lunggtv.ingest.dicom.slice_names import named_like
from lunggtv.ingest.dicom.values import READ_ERRORS, numbers_of, text_of, typed_text_of

HEADER_TAGS: list[BaseTag | int] = sorted(
    Tag(keyword)
    for keyword in (
        "SpecificCharacterSet", "ImageType", "SOPClassUID", "Modality", "SOPInstanceUID", "PatientName",
        "PatientID", "SeriesInstanceUID", "AcquisitionNumber", "ImagePositionPatient", "ImageOrientationPatient",
        "InstanceNumber", "FrameOfReferenceUID", "SamplesPerPixel", "NumberOfFrames", "Rows", "Columns", "PixelSpacing",
    )
)  # fmt: skip
FIRST_BYTES = 1024


@dataclass(frozen=True)
class SlicePlace:
    """Where a CT image lies: ``pixel_spacing_mm`` is (y, x); ``position_mm`` and the six cosines of ``orientation`` are
    as DICOM has them (LPS)."""

    pixel_spacing_mm: tuple[float, float]
    position_mm: Triple
    orientation: tuple[float, ...]


@dataclass(frozen=True)
class CtSlice:
    """Header of one CT image; ``place`` and ``number`` are None where the header does not say them whole, or cannot be
    read. ``person`` is the patient's id in the header, as ids are compared, and ``called`` the name there; empty where
    there is none."""

    path: Path
    name: str
    rows: int
    columns: int
    place: SlicePlace | None
    number: int | None
    series_uid: str = field(repr=False)
    sop_uid: str = field(repr=False)
    frame_uid: str = field(repr=False)
    acquisition: str = field(repr=False)
    person: str = field(repr=False)
    called: str = field(repr=False, default="")


@dataclass(frozen=True)
class DamagedSlice:
    """A CT image whose header cannot be read; ``series_uid`` is empty where it is lost."""

    name: str
    series_uid: str = field(repr=False)


@dataclass(frozen=True)
class Inventory:
    """What a folder holds.

    Attributes:
        slices: CT images.
        structure_sets: files that say that they are one, also damaged ones.
        skipped: number of files by kind that are neither CT images nor structure sets.
        suspect: those among them that may be DICOM of any kind but cannot be read, or are named like the slices.
        forbidden: those that may not be read.
        damaged: CT images whose header is cut or unreadable.
        segmentations: those among the skipped that may hold a label, also damaged ones.
    """

    slices: tuple[CtSlice, ...]
    structure_sets: tuple[Path, ...]
    skipped: dict[str, int]
    suspect: tuple[str, ...]
    forbidden: tuple[str, ...]
    damaged: tuple[DamagedSlice, ...]
    segmentations: tuple[Path, ...]

    def without_one(self, kind: str) -> "Inventory":
        """The same, with one file less of a kind among the skipped."""
        return replace(self, skipped=self.skipped | {kind: self.skipped[kind] - 1})

    def skipped_text(self, *others: str) -> str:
        """The skipped files in words, as ``2 RTDOSE, 1 scout``, and then others; ``nothing`` if none."""
        skipped = (f"{n} {kind}" for kind, n in sorted(self.skipped.items()) if n)
        return ", ".join([*skipped, *others]) or "nothing"


def take_inventory(files: Sequence[Path], folder: Path) -> Inventory:
    """Read the headers of all files, without pixels; any order, any names."""
    slices: list[CtSlice] = []
    structure_sets: list[Path] = []
    skipped: Counter[str] = Counter()
    suspect: list[str] = []
    forbidden: list[str] = []
    damaged: list[DamagedSlice] = []
    segmentations: list[Path] = []
    unknown: list[str] = []
    for path in files:
        name = relative_name(path, folder)
        try:
            header = _read_header(path)
            kind = header if isinstance(header, str) else _kind_of(header, path)
            one = _ct_slice(header, path, name) if kind == CT_IMAGE and not isinstance(header, str) else None
            series_uid = "" if isinstance(header, str) else text_of(header, "SeriesInstanceUID")
        except PermissionError:
            forbidden.append(name)
            continue
        except READ_ERRORS:
            (kind, series_uid), one = kind_of_damaged(path), None
        if one is not None:
            slices.append(one)
        elif kind == CT_IMAGE:
            damaged.append(DamagedSlice(name, series_uid))
        elif kind == RTSTRUCT:
            structure_sets.append(path)
        else:
            skipped[kind] += 1
            segmentations += [path] if kind == SEGMENTATION else []
        if kind == UNREADABLE or (kind == EMPTY and may_be_dicom(path.name, b"")):
            suspect.append(name)
        elif kind in (EMPTY, NOT_DICOM):
            unknown.append(name)
    suspect += named_like(unknown, [one.name for one in slices])
    return Inventory(
        tuple(slices), tuple(structure_sets), dict(skipped), tuple(suspect), tuple(forbidden), tuple(damaged),
        tuple(segmentations),
    )  # fmt: skip


def _kind_of(header: pydicom.FileDataset, path: Path) -> str:
    kind = kind_of(header) or UNREADABLE
    is_odd = kind in (OTHER, UNREADABLE)
    return RTSTRUCT if is_odd and holds_structures(_start_of(path, STRUCTURES_WITHIN)) else kind


def relative_name(path: Path, folder: Path) -> str:
    """A file's name below the patient's folder, with forward slashes."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _read_header(path: Path) -> pydicom.FileDataset | str:
    """The header, or the kind of a file that has none. Raises what pydicom raises on damaged files."""
    try:
        with open(path, "rb") as file:
            packed = is_deflated(file)
            if packed:
                check_deflated(file)
            header = _read_tags(file if packed else BoundedFile(file))
    except InvalidDicomError:
        return _header_without_prefix(path)
    if not has_class(header):
        raise EOFError("a header without a class")
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


def _ct_slice(header: pydicom.Dataset, path: Path, name: str) -> CtSlice | None:
    """A CT image; None if its header lacks what ties it to others."""
    rows, columns = numbers_of(header, "Rows", 1), numbers_of(header, "Columns", 1)
    if rows is None or columns is None:
        return None
    if not text_of(header, "SeriesInstanceUID") or not text_of(header, "SOPInstanceUID"):
        return None
    number = numbers_of(header, "InstanceNumber", 1)
    return CtSlice(
        path=path,
        name=name,
        rows=int(rows[0]),
        columns=int(columns[0]),
        place=_place(header),
        number=None if number is None else int(number[0]),
        series_uid=text_of(header, "SeriesInstanceUID"),
        sop_uid=text_of(header, "SOPInstanceUID"),
        frame_uid=text_of(header, "FrameOfReferenceUID"),
        acquisition=text_of(header, "AcquisitionNumber"),
        person=text_of(header, "PatientID").casefold(),
        called=typed_text_of(header, "PatientName"),
    )


def _place(header: pydicom.Dataset) -> SlicePlace | None:
    spacing_mm = numbers_of(header, "PixelSpacing", 2)
    position_mm = numbers_of(header, "ImagePositionPatient", 3)
    orientation = numbers_of(header, "ImageOrientationPatient", 6)
    if spacing_mm is None or position_mm is None or orientation is None:
        return None
    return SlicePlace((spacing_mm[0], spacing_mm[1]), three_of(position_mm), orientation)
