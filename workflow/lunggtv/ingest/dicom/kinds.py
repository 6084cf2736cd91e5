"""Kinds of files in a DICOM folder, and what says that a file without the DICOM prefix may be one of them."""

import re

import pydicom

from lunggtv.ingest.dicom.values import text_of, value_of

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
ENHANCED = "enhanced (multi-frame) CT"
SEGMENTATION = "segmentation"
DICOMDIR = "DICOMDIR"
KINDS = {
    CT_IMAGE: CT_IMAGE,
    RTSTRUCT: RTSTRUCT,
    "1.2.840.10008.5.1.4.1.1.2.1": ENHANCED,
    "1.2.840.10008.5.1.4.1.1.2.2": ENHANCED,
    "1.2.840.10008.1.3.10": DICOMDIR,
    "1.2.840.10008.5.1.4.1.1.481.2": "RTDOSE",
    "1.2.840.10008.5.1.4.1.1.481.5": "RTPLAN",
    "1.2.840.10008.5.1.4.1.1.481.1": "RTIMAGE",
    "1.2.840.10008.5.1.4.1.1.128": "PET",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.7": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.66.1": "registration",
    "1.2.840.10008.5.1.4.1.1.66.4": SEGMENTATION,
    "1.2.840.10008.5.1.4.1.1.66.5": "surface segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": SEGMENTATION,  # a label map
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
# Names that are given to DICOM files alone, also to what is packed or half copied: whatever is in such a file.
STRONG_NAMES = re.compile(
    r"\.(dcm|dicom|dic|ima)(\.(gz|zip|bz2|xz|zst|7z|part|partial|filepart|crdownload|download|tmp|bak|old|orig))?[~ ]*$"
    r"|^(rs|rtss|rtst|rtstruct)([^a-z.].*|\.[\d.]+.*)?$",
    re.IGNORECASE,
)
# Names that may be others' as well: UIDs, words for structure sets, numbers as on a CD.
WEAK_NAMES = re.compile(
    r"(^|[^0-9a-z.])\d+(\.\d+){4,}"
    r"|(^|[^a-z])(rs|rt|rtss|rtst|rtstruct|struct|structures?|structureset)([^a-z]|$)"
    r"|^[a-z]{0,3}\d+$",
    re.IGNORECASE,
)
# Suffixes of files that are certainly something else, packed or not.
OTHERS = re.compile(
    r"\.(avi|bmp|cfg|conf|csv|css|dat|dll|docx?|done|dvh|exe|flag|gif|h5|html?|inf|ini|jar|jpe?g|js|json|lnk|lock|log|lst|"
    r"mat|md|md5|mha|mhd|mp4|mrb|mrml|nhdr|nii|np[yz]|nrrd|obj|ok|pdf|ply|png|pptx?|py|raw|ready|rtf|sh|sha\d+|stl|svg|"
    r"tiff?|toml|tsv|txt|url|vt[kp]|xlsx?|xml|ya?ml|zraw)(\.(gz|zip|bz2|xz))?$",
    re.IGNORECASE,
)
OTHER_STARTS = (b"PK\x03\x04", b"%PDF", b"\x7fELF", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"<?xml", b"{\\rtf")


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


def is_another_kind(name: str) -> bool:
    """Whether a file's suffix says that it is no DICOM file."""
    return OTHERS.search(name) is not None


def may_be_dicom(name: str, start: bytes) -> bool:
    """Whether a file that cannot be read, or is empty, may be a DICOM file all the same.

    Args:
        name: of the file alone.
        start: its first bytes, a thousand or so; none if it is empty.
    """
    if is_another_kind(name):
        return False
    if STRONG_NAMES.search(name):
        return True
    if _is_text(start) or start.startswith(OTHER_STARTS):
        return False
    return b"DICM" in start or WEAK_NAMES.search(name) is not None


def _is_text(start: bytes) -> bool:
    return bool(start) and not any(byte < 9 or 13 < byte < 27 for byte in start)


def kind_of(header: pydicom.FileDataset) -> str | None:
    """The kind of a DICOM file: ``CT_IMAGE``, ``RTSTRUCT``, or in words what nobody reads; None if it does not say.

    Whatever says that a file is a structure set is believed: who reads it says whether it can be used.
    """
    named = _classes(header)
    modality = text_of(header, "Modality").upper()
    if RTSTRUCT in named or modality.startswith("RTSTRUCT"):
        return RTSTRUCT
    classes = [one for one in named if UID.fullmatch(one)]
    kind = next((KINDS[one] for one in classes if one in KINDS), OTHER if classes else None)
    if kind == CT_IMAGE:
        return _kind_of_ct(header)
    # Half a class may look like another one; a whole header goes on behind it.
    is_whole = kind == DICOMDIR or modality or text_of(header, "SeriesInstanceUID")
    return kind if is_whole else None


def has_class(header: pydicom.FileDataset) -> bool:
    """Whether a file says what it is at all."""
    return any(_classes(header))


def _classes(header: pydicom.FileDataset) -> tuple[str, str]:
    # A file cut inside its header may have its class, or all of it, in its file meta information alone.
    return text_of(header, "SOPClassUID"), text_of(header.file_meta, "MediaStorageSOPClassUID")


def holds_structures(content: bytes) -> bool:
    """Whether the first bytes of a file of an unknown class have a StructureSetROISequence (3006,0020)."""
    return b"\x06\x30\x20\x00" in content or b"\x30\x06\x00\x20" in content


def _kind_of_ct(header: pydicom.FileDataset) -> str:
    if "LOCALIZER" in text_of(header, "ImageType").upper():
        return SCOUT
    if value_of(header, "SamplesPerPixel") not in (None, 1):
        return NO_GREY
    if value_of(header, "NumberOfFrames") not in (None, 0, 1):
        return ENHANCED
    return CT_IMAGE
