"""Are the sequences of a DICOM data set whole? A damaged length makes an item swallow its neighbours, in silence.

pydicom reads what it finds: the neighbours' elements are then strange elements of the first item, and what follows is
lost. Here every item must end where its elements end, and every sequence where its items end (DICOM PS3.5, 7.5).
"""

import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass

from lunggtv.ingest.dicom_limits import CHUNK_BYTES, UNPACKED_BYTES

PREFIX_END = 132
META_GROUP, ITEM_GROUP = 0x0002, 0xFFFE
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
TRANSFER_SYNTAX = 0x00020010
BIG_ENDIAN, DEFLATED, IMPLICIT = b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2"
# Value representations whose length takes four bytes after two that are reserved (PS3.5, 7.1.2).
LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
DEPTH = 16  # of sequences within sequences


def check_nesting(content: bytes, sequences: Collection[int]) -> None:
    """Raise EOFError if a sequence is not whole.

    Args:
        content: a file, with or without preamble and prefix.
        sequences: tags of the sequences to look into, at any depth. Others are looked into where they do not say how
            long they are.
    """
    start = PREFIX_END if content[:PREFIX_END].endswith(b"DICM") else 0
    at, syntax = _after_meta(content, start)
    order = ">" if syntax == BIG_ENDIAN else "<"
    explicit = (
        syntax != IMPLICIT
        if syntax
        else content[at + 4 : at + 6].isalpha() and content[at + 4 : at + 6].isupper()
    )
    if syntax == b"" and explicit and content[at : at + 1] == b"\0":
        order = ">"
    if syntax == DEFLATED:
        content, at = _inflated(content[at:]), 0
    walk = _Walk(content, frozenset(sequences), order)
    try:
        walk.elements(at, len(content), explicit, 0)
    except (struct.error, IndexError):
        raise EOFError("an element is cut") from None


@dataclass(frozen=True)
class _Walk:
    content: bytes
    sequences: frozenset[int]
    order: str

    def elements(self, at: int, end: int | None, explicit: bool, depth: int) -> int:
        """Pass the elements of a data set; ``end`` None: up to the end mark of its item. Returns where they end."""
        while end is None or at < end:
            if depth == 0 and not self.content[at:].strip(b"\0"):
                return at  # filled up to a block of a disk or tape
            tag = self._tag(at)
            if tag == ITEM_END and end is None:
                return at + 8
            if tag >> 16 == ITEM_GROUP:
                raise EOFError("an item within a data set")
            at, length, vr = self._header(at, explicit)
            if length == UNDEFINED or tag in self.sequences:
                # What has an unknown representation is written without any (PS3.5, 6.2.2).
                at = self._items(at, length, explicit and vr != b"UN", depth + 1)
            else:
                at += length
            if at > len(self.content):
                raise EOFError("an element beyond the end")
        if at != end:
            raise EOFError("an element beyond the end of its item")
        return at

    def _items(self, at: int, length: int, explicit: bool, depth: int) -> int:
        if depth > DEPTH:
            raise EOFError("sequences without end")
        end = None if length == UNDEFINED else at + length
        while end is None or at < end:
            tag, size = self._tag(at), self._number(at + 4)
            if tag == SEQUENCE_END and end is None:
                return at + 8
            if tag != ITEM:
                raise EOFError("something between items")
            at = self.elements(at + 8, None if size == UNDEFINED else at + 8 + size, explicit, depth)
        if at != end:
            raise EOFError("an item beyond the end of its sequence")
        return at

    def _header(self, at: int, explicit: bool) -> tuple[int, int, bytes]:
        """Where the value begins, its length, and its representation where that is written."""
        vr = self.content[at + 4 : at + 6]
        if not explicit or not (vr.isalpha() and vr.isupper()):
            return at + 8, self._number(at + 4), b""
        if vr in LONG:
            return at + 12, self._number(at + 8), vr
        return at + 8, struct.unpack_from(f"{self.order}H", self.content, at + 6)[0], vr

    def _tag(self, at: int) -> int:
        group, element = struct.unpack_from(f"{self.order}HH", self.content, at)
        return group << 16 | element

    def _number(self, at: int) -> int:
        return struct.unpack_from(f"{self.order}I", self.content, at)[0]


def _after_meta(content: bytes, at: int) -> tuple[int, bytes]:
    """Where the file meta information ends, and the transfer syntax that it names."""
    meta, syntax = _Walk(content, frozenset(), "<"), b""
    while content[at : at + 2] == b"\x02\0":
        value, length, _ = meta._header(at, explicit=True)
        if meta._tag(at) == TRANSFER_SYNTAX:
            syntax = content[value : value + length].strip(b"\0 ")
        at = value + length
    return at, syntax


def _inflated(packed: bytes) -> bytes:
    stream, pieces, size = zlib.decompressobj(-zlib.MAX_WBITS), [], 0
    while packed and size <= UNPACKED_BYTES:
        pieces.append(stream.decompress(packed, CHUNK_BYTES))
        size += len(pieces[-1])
        packed = stream.unconsumed_tail
    return b"".join(pieces)
