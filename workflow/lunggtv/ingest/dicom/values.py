"""Values of DICOM elements that may be absent, empty or damaged."""

import struct
import zlib
from contextlib import suppress
from typing import Any

import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError

# What pydicom raises on a damaged file.
READ_ERRORS = (
    OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError, NotImplementedError,
    RecursionError, OverflowError, struct.error, zlib.error, InvalidDicomError, BytesLengthException,
)  # fmt: skip
LATIN = {"iso8859", "latin_1", "UTF8"}  # as pydicom names them
ESCAPE = b"\x1b"  # changes the character set


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


def typed_text_of(dataset: pydicom.Dataset, keyword: str) -> str:
    """A text that somebody typed, decoded as well as can be; empty if there is none.

    Many files hold other letters than the character set they declare: UTF-8 or Windows-1252 under Latin-1.
    """
    element = dataset.get_item(keyword) if keyword in dataset else None
    content = getattr(element, "value", None)
    declared = dataset.original_character_set
    names = {declared} if isinstance(declared, str) else set(declared)
    if isinstance(content, bytes) and names <= LATIN and ESCAPE not in content:
        for encoding in ("utf-8", "cp1252", "latin-1"):
            with suppress(UnicodeDecodeError):
                return content.decode(encoding).strip("\0 ")
    return text_of(dataset, keyword).strip("\0 ")


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
