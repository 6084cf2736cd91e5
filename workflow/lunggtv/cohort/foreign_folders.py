"""Folders beside the patients that are no patients. Standard library only: runs at parse time."""

# ruff: noqa: PTH118

import os
import re

from lunggtv.cohort.discover_words import NOT_DICOM
from lunggtv.cohort.path_search import PathSearch
from lunggtv.cohort.patterns import component_expression, is_part_of_dataset
from lunggtv.image_headers import suffix_of

PREFIX_AT, PREFIX = 128, b"DICM"
FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")  # of a file without preamble, little endian


def is_foreign(search: PathSearch, name: str, image: tuple[str, ...]) -> bool:
    """Whether a folder directly below the root is no patient, though it holds no image where the pattern says.

    A part of a data set by its name; or a folder that the pattern's first component does not mean, in upper or
    lower case, if no file in it begins like DICOM.
    """
    if is_part_of_dataset(name):
        return True
    if image[0] == "**" or component_expression(image[0], re.IGNORECASE).fullmatch(name):
        return False
    folder = os.path.join(search.root, name)
    if search.link_problem(folder) is not None:
        return False
    files, problem = search.below(folder)
    return problem is None and not any(map(may_be_dicom, files))


def may_be_dicom(path: str) -> bool:
    """Whether a file begins like DICOM, with its prefix or with a first element; a file that is closed may."""
    if suffix_of(path) or path.lower().endswith(NOT_DICOM):
        return False
    try:
        with open(path, "rb") as file:
            start = file.read(PREFIX_AT + len(PREFIX))
    except OSError:
        return True
    return start[PREFIX_AT:] == PREFIX or start.startswith(FIRST_GROUPS)
