"""What a DICOM file is whose header cannot be read to its end, as far as its beginning tells."""

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import pydicom
from pydicom.filereader import read_file_meta_info, read_partial
from pydicom.tag import BaseTag, Tag

from lunggtv.ingest.dicom.kinds import CT_IMAGE, KINDS, OTHER, RTSTRUCT, UID, UNREADABLE, holds_structures
from lunggtv.ingest.dicom.limits import BoundedFile
from lunggtv.ingest.dicom.values import READ_ERRORS, text_of

STRUCTURES_WITHIN = 1 << 22  # bytes before which a structure set names its structures


def kind_of_damaged(path: Path) -> tuple[str, str]:
    """The kind of a damaged file, as ``kinds.kind_of`` has it, and the series of a CT image where it is told.

    UNREADABLE where the file may be anything: a class is believed only if something follows it, since half a
    class may look like another one.
    """
    named = {_media_class(path), _value_until(path, "SOPClassUID")} - {""}
    if RTSTRUCT in named:
        return RTSTRUCT, ""
    if CT_IMAGE in named:
        return CT_IMAGE, _value_until(path, "SeriesInstanceUID")
    with open(path, "rb") as file:
        may_hold_structures = holds_structures(file.read(STRUCTURES_WITHIN))
    if may_hold_structures or not named or not all(map(UID.fullmatch, named)):
        return UNREADABLE, ""
    return next((KINDS[one] for one in sorted(named) if one in KINDS), OTHER), ""


def _media_class(path: Path) -> str:
    """The class in the file meta information, which says how long it is."""
    with suppress(*READ_ERRORS):
        return text_of(read_file_meta_info(path), "MediaStorageSOPClassUID")
    return ""


def _value_until(path: Path, keyword: str) -> str:
    """A value behind which the data set goes on; empty if it cannot be read."""
    wanted, behind = Tag(keyword), []

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        if tag > wanted:
            behind.append(tag)
        return tag > wanted

    with open(path, "rb") as file, suppress(*READ_ERRORS):
        # Pydicom asks for read, seek and tell alone, whatever its types say.
        whole = cast(BinaryIO, BoundedFile(file))
        header: pydicom.Dataset = read_partial(whole, stop, force=True, specific_tags=[wanted])
        if behind:
            return text_of(header, keyword)
    return ""
