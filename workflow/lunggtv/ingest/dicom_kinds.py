"""Kinds of files in a DICOM folder, and what says that a file without the DICOM prefix may be one of them."""

import re

import pydicom

from lunggtv.ingest.dicom_values import text_of, value_of

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
ENHANCED = "enhanced (multi-frame) CT"
KINDS = {
    CT_IMAGE: CT_IMAGE,
    RTSTRUCT: RTSTRUCT,
    "1.2.840.10008.5.1.4.1.1.2.1": ENHANCED,
    "1.2.840.10008.5.1.4.1.1.2.2": ENHANCED,
    "1.2.840.10008.1.3.10": "DICOMDIR",
    "1.2.840.10008.5.1.4.1.1.481.2": "RTDOSE",
    "1.2.840.10008.5.1.4.1.1.481.5": "RTPLAN",
    "1.2.840.10008.5.1.4.1.1.481.1": "RTIMAGE",
    "1.2.840.10008.5.1.4.1.1.128": "PET",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.7": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.66.1": "registration",
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentation",
    "1.2.840.10008.5.1.4.1.1.66.5": "segmentation",
}
NOT_DICOM = "not DICOM"
UNREADABLE = "unreadable, perhaps DICOM"
EMPTY = "empty"
OTHER = "other object"
SCOUT = "scout"
NO_GREY = "CT image in colour"

UID = re.compile(r"[0-9.]{1,64}")
FIRST_GROUPS = {2, 4, 8}  # a data set begins with its meta information, a directory or its class
EXPLICIT = re.compile(rb"[A-Z]{2}")
LONGEST_FIRST = 1 << 16  # bytes of a first element
NAMES = re.compile(
    # A suffix, also of what is packed or half copied; names of planning systems; UIDs.
    r".*\.(dcm|dicom|dic|ima)(\.(gz|zip|bz2|xz|zst|7z|part|partial|filepart|crdownload|download|tmp|bak|old|orig))?"
    r"|(rs|rt|rtss|rtstruct|ss)[._-]?[\d.]*"
    r"|.*\d+(\.\d+){3,}",
    re.IGNORECASE,
)


def begins_a_data_set(start: bytes) -> bool:
    """Whether the first bytes of a file are those of a DICOM element, in either byte order.

    Args:
        start: at least eight bytes; with fewer there is no element.
    """
    for order in ("little", "big"):
        group, element = (int.from_bytes(start[at : at + 2], order) for at in (0, 2))
        if len(start) >= 8 and group in FIRST_GROUPS and element < 0x2000:
            length = int.from_bytes(start[4:8], order)
            return bool(EXPLICIT.fullmatch(start[4:6])) or (length <= LONGEST_FIRST and length % 2 == 0)
    return False


def has_dicom_name(name: str) -> bool:
    """Whether a file is named as DICOM files are: by suffix, by a UID, or as planning systems name structure sets."""
    return NAMES.fullmatch(name) is not None


def kind_of(header: pydicom.FileDataset) -> str | None:
    """The kind of a DICOM file: ``CT_IMAGE``, ``RTSTRUCT``, or in words what nobody reads; None if it does not say."""
    if text_of(header, "Modality") == "RTSTRUCT":
        return RTSTRUCT  # of any class: who reads it says whether it can be used
    # A file cut inside its header may have its class, or all of it, in its file meta information alone.
    named = text_of(header, "SOPClassUID"), text_of(header.file_meta, "MediaStorageSOPClassUID")
    classes = [one for one in named if UID.fullmatch(one)]
    known = [one for one in classes if one in KINDS]
    if not known:
        return OTHER if classes else None
    return _kind_of_ct(header) if known[0] == CT_IMAGE else KINDS[known[0]]


def _kind_of_ct(header: pydicom.FileDataset) -> str:
    if "LOCALIZER" in text_of(header, "ImageType").upper():
        return SCOUT
    if value_of(header, "SamplesPerPixel") not in (None, 1):
        return NO_GREY
    if value_of(header, "NumberOfFrames") not in (None, 0, 1):
        return ENHANCED
    return CT_IMAGE
