"""Sizes, intervals and lists in messages. Standard library only, for parse time."""

import re
from collections.abc import Iterable, Sequence

NAMES_SHOWN = 5
NO_UTF8 = re.compile(
    "[\udc80-\udcff]"
)  # how Python holds the bytes of a file's name that are not UTF-8 (PEP 383)


def by(values: Iterable[float | str], form: str = "") -> str:
    """Values as in ``97 x 512 x 512``, each in the format ``form``."""
    return " x ".join(format(value, form) for value in values)


def interval95(ends: Sequence[float], form: str = ".2f") -> str:
    """A 95 % interval in words, each end in the format ``form``."""
    low, high = ends
    return f"95 % interval {low:{form}} to {high:{form}}"


def few(names: Sequence[str], most: int = NAMES_SHOWN) -> str:
    """The first ``most`` names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def readable(text: str) -> str:
    """A text that any file or terminal can hold: bytes of a file's name that are not UTF-8 as ``\\xe9``."""
    return NO_UTF8.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text)
