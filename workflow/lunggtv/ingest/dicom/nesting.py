"""Are the sequences of a DICOM data set whole? A damaged length makes an item swallow its neighbours, in silence.

pydicom reads what it finds: the neighbours' elements are then strange elements of the first item, and what follows is
lost. Here every item must end where its elements end, and every sequence where its items end (DICOM PS3.5, 7.5).
"""

import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass

from lunggtv.ingest.dicom.limits import CHUNK_BYTES, DEFLATED, PREFIX_END, UNPACKED_BYTES

ITEM_GROUP = 0xFFFE
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED_LENGTH = 0xFFFFFFFF
TRANSFER_SYNTAX = 0x00020010
BIG_ENDIAN = b"1.2.840.10008.1.2.2"
# Value representations, and those whose length takes four bytes after two that are reserved (PS3.5, 7.1.2).
LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
SHORT = {
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
    b"ST", b"TM", b"UI", b"UL", b"US",
}  # fmt: skip
WRITTEN = LONG | SHORT
DEPTH = 16  # of sequences within sequences


def check_nesting(content: bytes, sequences: Collection[int], last: int) -> int:
    """Raise EOFError if a sequence is not whole; the tag of the last element that was passed.

    Args:
        content: a file, with or without preamble and prefix.
        sequences: tags of the sequences to look into, at any depth. Others are looked into where they do not say how
            long they are.
        last: tag of the last of them; what comes behind it at the end of the file does not matter.
    """
    at, syntax = _after_meta(content, prefix_length(content))
    if syntax == DEFLATED:
        content, at = _inflated(content[at:]), 0
    is_big = syntax == BIG_ENDIAN or (not syntax and content[at : at + 1] == b"\0")
    walk = _Walk(content, frozenset(sequences), ">" if is_big else "<")
    try:
        return walk.data_set(at, last)
    except (struct.error, IndexError):
        raise EOFError("an element is cut") from None


def prefix_length(content: bytes) -> int:
    """Bytes of preamble and prefix, which a file may have lost."""
    return PREFIX_END if content[:PREFIX_END].endswith(b"DICM") else 0


@dataclass(frozen=True)
class _Walk:
    content: bytes
    sequences: frozenset[int]
    order: str

    def data_set(self, at: int, last: int) -> int:
        """Pass the elements of the whole data set, up to ``last``; the tag of the last of them."""
        tag = 0
        # A command may stand first, which is written without representations (PS3.7, 6.3.1).
        while self._tag(at) >> 16 == 0:
            at += 8 + self._number(at + 4)
        explicit = self._is_explicit(at)
        filled_from = len(self.content.rstrip(b"\0"))
        while at < filled_from:
            tag = self._tag(at)
            if tag >> 16 == ITEM_GROUP:
                raise EOFError("an item within a data set")
            at = self._element(tag, at, explicit, 0)
            if at > len(self.content):
                raise EOFError("an element beyond the end")
            if tag == last:
                if at + 4 <= filled_from and self._tag(at) == ITEM:
                    raise EOFError("an item behind its sequence")
                break
        return tag

    def _item(self, at: int, end: int | None, depth: int) -> int:
        """Pass the elements of an item; ``end`` None: up to its end mark. Returns where it ends."""
        explicit = self._is_explicit(at)
        while end is None or at < end:
            tag = self._tag(at)
            if tag == ITEM_END and end is None:
                return at + 8
            if tag >> 16 == ITEM_GROUP:
                raise EOFError("an item within an item")
            at = self._element(tag, at, explicit, depth)
        if at != end:
            raise EOFError("an element beyond the end of its item")
        return at

    def _element(self, tag: int, at: int, explicit: bool, depth: int) -> int:
        at, length = self._header(at, explicit)
        if length == UNDEFINED_LENGTH and self._tag(at) not in (ITEM, SEQUENCE_END):
            end = self.content.find(struct.pack(f"{self.order}HH", 0xFFFE, 0xE0DD), at)
            if end < 0:
                raise EOFError("a value without end")
            return end + 8
        if length == UNDEFINED_LENGTH or tag in self.sequences:
            return self._items(at, length, depth + 1)
        return at + length

    def _items(self, at: int, length: int, depth: int) -> int:
        if depth > DEPTH:
            raise EOFError("sequences without end")
        end = None if length == UNDEFINED_LENGTH else at + length
        while end is None or at < end:
            tag, size = self._tag(at), self._number(at + 4)
            if tag == SEQUENCE_END and end is None:
                return at + 8
            if tag != ITEM:
                raise EOFError("something between items")
            at = self._item(at + 8, None if size == UNDEFINED_LENGTH else at + 8 + size, depth)
        if at != end:
            raise EOFError("an item beyond the end of its sequence")
        return at

    def _is_explicit(self, at: int) -> bool:
        """Whether representations are written from here on. Within one of unknown representation they may or may not
        be, and some files say the one and do the other."""
        return self.content[at + 4 : at + 6] in WRITTEN

    def _header(self, at: int, explicit: bool) -> tuple[int, int]:
        """Where the value begins, and its length."""
        vr = self.content[at + 4 : at + 6]
        if not explicit or not (vr.isalpha() and vr.isupper()):
            return at + 8, self._number(at + 4)
        if vr in LONG:
            return at + 12, self._number(at + 8)
        return at + 8, struct.unpack_from(f"{self.order}H", self.content, at + 6)[0]

    def _tag(self, at: int) -> int:
        group, element = struct.unpack_from(f"{self.order}HH", self.content, at)
        return group << 16 | element

    def _number(self, at: int) -> int:
        return struct.unpack_from(f"{self.order}I", self.content, at)[0]


def _after_meta(content: bytes, at: int) -> tuple[int, bytes]:
    """Where the file meta information ends, and the transfer syntax that it names."""
    meta, syntax = _Walk(content, frozenset(), "<"), b""
    while content[at : at + 2] == b"\x02\0":
        value, length = meta._header(at, explicit=True)
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
