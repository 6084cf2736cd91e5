"""Values of DICOM elements that may be absent, empty or damaged."""

import struct
import zlib
from typing import Any

import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError

# What pydicom raises on a damaged file.
READ_ERRORS = (
    OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError, NotImplementedError,
    RecursionError, OverflowError, struct.error, zlib.error, InvalidDicomError, BytesLengthException,
)  # fmt: skip


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
