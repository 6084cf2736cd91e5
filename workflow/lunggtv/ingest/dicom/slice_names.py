"""Files that are named like the slices of a CT, as ``slice_0015`` beside ``slice_0014``: what they hold may be one."""

import re
from collections.abc import Sequence

NUMBER = re.compile(r"\d+")
# What a program makes names of: a UUID, or a hash or a part of one, as a word by itself. Letters alone may be a word
# of a language, but none of that many.
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
HASH = re.compile(rf"(?<![^\W_])(?:{UUID}|[0-9a-f]{{8,}}|(?=[a-f]*\d)[0-9a-f]{{4,}})(?![^\W_])")


def named_like(names: Sequence[str], slices: Sequence[str]) -> list[str]:
    """Those of ``names`` (with their folders) that are a slice's name but for its numbers or hashes."""
    patterns = {pattern for name in slices for pattern in _patterns(name)}
    return [name for name in names if _patterns(name) & patterns]


def _patterns(name: str) -> set[str]:
    """A name without its numbers, and without its hashes and numbers: a hash may be of digits alone."""
    folded = name.casefold()
    return {NUMBER.sub("0", one) for one in (folded, HASH.sub("#", folded))} - {folded}
