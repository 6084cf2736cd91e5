"""Sequences are walked through whichever way their elements are written."""

import struct

import pytest
from lunggtv.ingest.dicom.nesting import check_nesting
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STANDARD_VR

CONTOURS = (0x3006, 0x0039)
LAST = 0x30060039


def element(tag: tuple[int, int], vr: str, value: bytes) -> bytes:
    """An element as PS3.5, 7.1.2 writes it, explicit and little endian."""
    if vr in EXPLICIT_VR_LENGTH_32:
        return struct.pack("<HH2sHI", *tag, vr.encode(), 0, len(value)) + value
    return struct.pack("<HH2sH", *tag, vr.encode(), len(value)) + value


def contours(first: bytes) -> bytes:
    """A sequence of an item that begins with an element, and of an empty one."""
    items = struct.pack("<HHI", 0xFFFE, 0xE000, len(first)) + first + struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    return element(CONTOURS, "SQ", items)


@pytest.mark.parametrize("vr", sorted(STANDARD_VR))
def test_a_data_set_and_an_item_may_begin_with_any_kind_of_element(vr: str) -> None:
    value = b"" if vr == "SQ" else b"12345678"
    whole = element((0x0008, 0x0000), vr, value) + contours(element((0x3006, 0x0001), vr, value))
    assert check_nesting(whole, (LAST,), LAST) == LAST
    with pytest.raises(EOFError):
        check_nesting(whole[:-4], (LAST,), LAST)
    with pytest.raises(EOFError):
        check_nesting(whole.replace(b"\x06\x30\x01\0", b"\xfe\xff\0\xe0"), (LAST,), LAST)
