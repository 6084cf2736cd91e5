"""What is a scan by its name, or by how it begins. Standard library only: runs at parse time.

More than can be read: a scan in another format, packed, or half copied is a scan, and its patient is told of it.
"""

# ruff: noqa: PTH113, PTH119

import os
import re
from pathlib import Path

from lunggtv.cohort.discover_words import NOT_DICOM
from lunggtv.cohort.foreign_folders import may_be_dicom
from lunggtv.image_headers import suffix_of

# Packed (.dcm.gz), half copied (.dcm.part) or twice there (.dcm (1)), as images are below.
DICOM = re.compile(r"\.(dcm|dicom|ima)(?![a-z0-9]).*\Z", re.IGNORECASE | re.DOTALL)
# Whole or in numbered parts; a lone packer's ending (notes.gz) is that of one file.
ARCHIVE = re.compile(
    r"\.(tar(\.(gz|bz2|xz|zst|lz|lz4|lzma|z))?|t(gz|bz2?|b2|xz|zst|lz)|zip|7z|rar)(\.\d{3})?\Z", re.IGNORECASE
)
# Analyze, FreeSurfer and MINC beside what is read; packers, browsers and copies put their own endings behind.
IMAGE = re.compile(
    r"\.(nii|nrrd|nhdr|mha|mhd|hdr|img|mgh|mgz|mnc)(?![a-z0-9]).*\Z", re.IGNORECASE | re.DOTALL
)
BESIDE = (
    *(end for end in NOT_DICOM if not ARCHIVE.search(end)),
    ".tsv",
    ".md5",
    ".sha1",
    ".sha256",
    ".sha512",
    ".log",
)
DIRECTORY = "dicomdir"  # DICOM PS3.10, 8.6: the name of a medium's table of contents


def image_stem(name: str) -> str | None:
    """An image file's name without its suffix; None if it is no image, but what may lie beside one."""
    if suffix := suffix_of(name):
        return name[: -len(suffix)]
    match = IMAGE.search(name)
    return name[: match.start()] if match and not name.lower().endswith(BESIDE) else None


def scan_stem(path: str) -> str | None:
    """The name of an image or DICOM file without its suffix; None if it is no scan."""
    name = os.path.basename(path)
    if (stem := image_stem(name)) is not None:
        return stem
    match = DICOM.search(name)
    if is_archive(name) or (match and name.lower().endswith(BESIDE)):
        return None
    stem = name[: match.start()] if match else name
    if stem.casefold() == DIRECTORY:
        return None
    return stem if match or (os.path.isfile(path) and may_be_dicom(path)) else None


def is_dicom(path: str) -> bool:
    """Whether a file is a scan, and no image file: DICOM by its suffix or by how it begins."""
    return image_stem(os.path.basename(path)) is None and scan_stem(path) is not None


def scans_below(folder: Path) -> set[Path]:
    """Images and DICOM files anywhere below a folder."""
    return {path for path in folder.rglob("*") if path.is_file() and scan_stem(str(path)) is not None}


def is_archive(name: str) -> bool:
    """Whether a name is that of several files packed into one: nobody can tell from outside what is in it."""
    return image_stem(name) is None and ARCHIVE.search(name) is not None
