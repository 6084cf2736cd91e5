"""Files that are named like the slices of a CT, as ``slice_0015`` beside ``slice_0014``: what they hold may be one."""

import re
from collections.abc import Sequence

# A number, or what a program makes names of: a hash, a part of a UUID.
NUMBER = re.compile(r"(?=[a-f]*\d)[0-9a-f]{4,}|\d+")


def named_like(names: Sequence[str], slices: Sequence[str]) -> list[str]:
    """Those of ``names`` (with their folders) that are a slice's name but for its numbers."""
    patterns = {_pattern(name) for name in slices if NUMBER.search(name.casefold())}
    return [name for name in names if _pattern(name) in patterns]


def _pattern(name: str) -> str:
    return NUMBER.sub("0", name.casefold())
