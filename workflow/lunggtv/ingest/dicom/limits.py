"""What reading a DICOM file may cost: pydicom builds every item of a sequence and unpacks deflated files whole.

A header of millions of empty items, or a deflated file of a few megabytes, would take hours and gigabytes. Errors
are EOFError and ValueError, as pydicom itself raises them on damaged files.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

HEADER_BYTES = 1 << 20  # read of a header, values that are skipped not counted; a CT's has some 10 KB
MAX_ITEMS = 300_000  # of all sequences; a plan of 100 ROIs on 300 slices has 60,000
UNPACKED_BYTES = 1 << 28
ITEM_TAGS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
DEFLATED = b"1.2.840.10008.1.2.1.99"
PREFIX_END = 132  # bytes of preamble and prefix; the file meta information follows, its own length first
CHUNK_BYTES = 1 << 20


class BoundedFile(io.RawIOBase):
    """A file of which only so many bytes can be read; what is skipped does not count."""

    def __init__(self, file: BinaryIO, limit: int = HEADER_BYTES) -> None:
        super().__init__()
        self._file, self._left = file, limit

    def read(self, size: int = -1) -> bytes:
        """As ``file.read``. Raises EOFError beyond the limit."""
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise EOFError("the header is longer than any")
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        """As ``file.seek``."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As ``file.tell``."""
        return self._file.tell()


def check_items(content: bytes) -> None:
    """Raise ValueError if a data set has more sequence items than any of its kind."""
    if sum(content.count(tag) for tag in ITEM_TAGS) > MAX_ITEMS:
        raise ValueError("more sequence items than any file has")


def is_deflated(file: BinaryIO) -> bool:
    """Whether the data set of a DICOM file is packed as a whole; the file is left at its beginning."""
    head = file.read(1024)
    file.seek(0)
    return DEFLATED in head


def check_deflated(file: BinaryIO) -> None:
    """Unpack a deflated file piece by piece; raise ValueError if pydicom should not do so at once."""
    head = file.read(PREFIX_END + 12)
    file.seek(struct.unpack_from("<I", head, PREFIX_END + 8)[0], io.SEEK_CUR)
    size = items = 0
    for piece in _unpacked(file):
        size += len(piece)
        items += sum(piece.count(tag) for tag in ITEM_TAGS)
        if size > UNPACKED_BYTES or items > MAX_ITEMS:
            raise ValueError("unpacks to more than any file holds")
    file.seek(0)


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    while packed := file.read(CHUNK_BYTES):
        while packed:
            yield stream.decompress(packed, CHUNK_BYTES)
            packed = stream.unconsumed_tail
