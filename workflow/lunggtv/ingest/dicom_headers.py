"""The headers of a patient's DICOM files, sorted into CT slices, structure sets and the rest.

No header value leaves this module but geometry and, inside ``CtSlice``, the UIDs that tie files together;
those are kept out of ``repr`` and are never printed.
"""

import logging
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag

from lunggtv.ingest.dicom_limits import BoundedFile, check_deflated, is_deflated
from lunggtv.ingest.raw import Refused

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = {"1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"}
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
OTHER_KINDS = {
    "1.2.840.10008.1.3.10": "DICOMDIR",
    "1.2.840.10008.5.1.4.1.1.481.2": "RTDOSE",
    "1.2.840.10008.5.1.4.1.1.481.5": "RTPLAN",
    "1.2.840.10008.5.1.4.1.1.481.1": "RTIMAGE",
    "1.2.840.10008.5.1.4.1.1.128": "PET",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.7": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.66.1": "registration",
}
NOT_DICOM = "not DICOM"
NO_PREFIX = "DICOM without the prefix 'DICM'"
EMPTY = "empty"
ENHANCED = "enhanced (multi-frame) CT"
SCOUT = "scout"
NO_GREY = "CT image in colour"
# A data set without preamble begins with group 0002 or 0008, little endian.
BARE_STARTS = (b"\x02\x00", b"\x08\x00")
HEADER_TAGS = sorted(
    Tag(keyword)
    for keyword in (
        "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "GantryDetectorTilt",
        "SeriesInstanceUID", "AcquisitionNumber", "ImagePositionPatient", "ImageOrientationPatient",
        "FrameOfReferenceUID", "SamplesPerPixel", "NumberOfFrames", "Rows", "Columns", "PixelSpacing",
    )
)  # fmt: skip
# What pydicom raises on a damaged file.
READ_ERRORS = (
    OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError, NotImplementedError,
    RecursionError, OverflowError, struct.error, zlib.error, InvalidDicomError, BytesLengthException,
)  # fmt: skip


@dataclass(frozen=True)
class CtSlice:
    """Header of one CT image; geometry is None where the header has none or it cannot be read.

    ``pixel_spacing_mm`` is (y, x); ``position_mm`` and ``orientation`` are as DICOM has them (LPS).
    """

    path: Path
    name: str
    rows: int
    columns: int
    pixel_spacing_mm: tuple[float, ...] | None
    position_mm: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    tilt_degrees: float
    series_uid: str = field(repr=False)
    sop_uid: str = field(repr=False)
    frame_uid: str = field(repr=False)
    acquisition: str = field(repr=False)

    @property
    def placed(self) -> bool:
        """Whether the image has a place in space."""
        return None not in (self.pixel_spacing_mm, self.position_mm, self.orientation)


@dataclass(frozen=True)
class Inventory:
    """What a folder holds. ``skipped`` counts the files by kind that no reader of ours needs."""

    slices: tuple[CtSlice, ...]
    structure_sets: tuple[Path, ...]
    skipped: dict[str, int]
    suspect: tuple[str, ...]

    def skipped_text(self) -> str:
        """The skipped files in words, as ``2 RTDOSE, 1 scout``; ``nothing`` if none."""
        return ", ".join(f"{n} {kind}" for kind, n in sorted(self.skipped.items())) or "nothing"


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Silence pydicom's warnings and log while it reads: they quote header values."""
    logger = logging.getLogger("pydicom")
    was_disabled = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = was_disabled


def take_inventory(files: Sequence[Path], folder: Path) -> Inventory:
    """Read the headers of all files, without pixels; any order, any names.

    Raises:
        Refused: a file is DICOM but its header is cut or unreadable.
    """
    slices: list[CtSlice] = []
    structure_sets: list[Path] = []
    skipped: Counter[str] = Counter()
    suspect: list[str] = []
    for path in files:
        name = relative_name(path, folder)
        header = _read_header(path, name)
        if isinstance(header, str):
            skipped[header] += 1
            if header != NOT_DICOM:
                suspect.append(name)
            continue
        kind = _kind(header, name)
        if kind == CT_IMAGE:
            slices.append(_ct_slice(header, path, name))
        elif kind == RTSTRUCT:
            structure_sets.append(path)
        else:
            skipped[kind] += 1
    return Inventory(tuple(slices), tuple(structure_sets), dict(skipped), tuple(suspect))


def relative_name(path: Path, folder: Path) -> str:
    """A file's name below the patient's folder, with forward slashes."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def value_of(dataset: pydicom.Dataset, keyword: str) -> Any:
    """An element's value; None if it is absent, empty or cannot be read."""
    try:
        value = dataset.get(keyword)
    except READ_ERRORS:
        return None
    return None if value is None or value == "" else value


def text_of(dataset: pydicom.Dataset, keyword: str) -> str:
    """An element's value as text, empty if there is none."""
    value = value_of(dataset, keyword)
    return "" if value is None else str(value).strip()


def numbers_of(dataset: pydicom.Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """An element's ``count`` finite numbers; None if they are not there."""
    value = value_of(dataset, keyword)
    if value is None:
        return None
    try:
        numbers = tuple(float(v) for v in (value if count > 1 else [value]))
    except (TypeError, ValueError):
        return None
    finite = all(abs(n) < float("inf") for n in numbers)
    return numbers if len(numbers) == count and finite else None


def _read_header(path: Path, name: str) -> pydicom.Dataset | str:
    """The header, or the kind of a file that has none."""
    try:
        with open(path, "rb") as file:
            if is_deflated(file):
                check_deflated(file)
                return read_partial(file, stop_when=_past_header, specific_tags=HEADER_TAGS)
            return read_partial(BoundedFile(file), stop_when=_past_header, specific_tags=HEADER_TAGS)
    except InvalidDicomError:
        return _kind_without_prefix(path)
    except PermissionError:
        raise Refused(
            "unreadable_file", f"{name}: not allowed to read the file. Mend its permissions."
        ) from None
    except READ_ERRORS:
        raise _damaged(name) from None


def _past_header(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag > HEADER_TAGS[-1]


def _kind_without_prefix(path: Path) -> str:
    with open(path, "rb") as file:
        start = file.read(2)
    if not start:
        return EMPTY
    return NO_PREFIX if start in BARE_STARTS else NOT_DICOM


def _kind(header: pydicom.FileDataset, name: str) -> str:
    # A file cut inside its header may have the class in its file meta information alone.
    sop_class = text_of(header, "SOPClassUID") or text_of(header.file_meta, "MediaStorageSOPClassUID")
    if not sop_class:
        raise _damaged(name)
    if sop_class in ENHANCED_CT:
        return ENHANCED
    if sop_class == CT_IMAGE:
        if "LOCALIZER" in text_of(header, "ImageType").upper():
            return SCOUT
        if value_of(header, "SamplesPerPixel") not in (None, 1):
            return NO_GREY
        if value_of(header, "NumberOfFrames") not in (None, 0, 1):
            return ENHANCED
    if sop_class in (CT_IMAGE, RTSTRUCT):
        return sop_class
    return OTHER_KINDS.get(sop_class, "other object")


def _ct_slice(header: pydicom.Dataset, path: Path, name: str) -> CtSlice:
    size = (numbers_of(header, "Rows", 1), numbers_of(header, "Columns", 1))
    if None in size or not text_of(header, "SeriesInstanceUID") or not text_of(header, "SOPInstanceUID"):
        raise _damaged(name)
    return CtSlice(
        path=path,
        name=name,
        rows=int(size[0][0]),
        columns=int(size[1][0]),
        pixel_spacing_mm=numbers_of(header, "PixelSpacing", 2),
        position_mm=numbers_of(header, "ImagePositionPatient", 3),
        orientation=numbers_of(header, "ImageOrientationPatient", 6),
        tilt_degrees=(numbers_of(header, "GantryDetectorTilt", 1) or (0.0,))[0],
        series_uid=text_of(header, "SeriesInstanceUID"),
        sop_uid=text_of(header, "SOPInstanceUID"),
        frame_uid=text_of(header, "FrameOfReferenceUID"),
        acquisition=text_of(header, "AcquisitionNumber"),
    )


def _damaged(name: str) -> Refused:
    return Refused(
        "damaged_file",
        f"{name}: the DICOM header is cut short or unreadable. Copy the file again from its source; if it is "
        "not part of the CT, take it out of the folder.",
    )
