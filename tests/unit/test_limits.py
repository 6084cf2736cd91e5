"""What large files of real plans may hold, and what none does."""

import io
import struct
import zlib

import pytest
from lunggtv.ingest.dicom.limits import BoundedFile, check_deflated, check_items

ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # little and big endian


def deflated(content: bytes) -> io.BytesIO:
    """A DICOM file of this packed data set: preamble, a file meta group of four bytes, the rest deflated."""
    packed = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    length = b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", 4)
    return io.BytesIO(bytes(128) + b"DICM" + length + b"meta" + packed.compress(content) + packed.flush())


@pytest.mark.parametrize("item", ITEMS)
@pytest.mark.parametrize(("items", "taken"), [(300_000, True), (300_001, False)])
def test_a_plan_of_many_rois_is_read(item, items, taken):
    """A hundred ROIs on 300 slices come to 60,000 items; both limits stand well above."""
    content = (item + bytes(4)) * items
    if taken:
        check_items(content)
        check_deflated(deflated(content))
        return
    with pytest.raises(ValueError, match="more sequence items than any"):
        check_items(content)
    with pytest.raises(ValueError, match="unpacks to more than any"):
        check_deflated(deflated(content))


def test_what_is_skipped_does_not_count_in_a_header():
    file = BoundedFile(io.BytesIO(bytes(100)), limit=50)
    assert file.read(20) == bytes(20)
    file.seek(60, io.SEEK_CUR)
    assert (file.tell(), file.read()) == (80, bytes(20))
    file.seek(0)
    assert file.read(10) == bytes(10)
    with pytest.raises(EOFError, match="longer than any"):
        file.read(1)
