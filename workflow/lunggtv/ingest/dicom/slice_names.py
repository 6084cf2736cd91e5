"""Files that are named like the slices of a CT, as ``slice_0015`` beside ``slice_0014``: what they hold may be one."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

NUMBER = re.compile(r"\d+")
# What a program makes names of: a UUID, or a hash or a part of one, as a word by itself. Letters alone may be a word
# of a language, but none of that many.
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
HASH = re.compile(rf"(?<![^\W_])(?:{UUID}|[0-9a-f]{{8,}}|(?=[a-f]*\d)[0-9a-f]{{4,}})(?![^\W_])")


def named_like(names: Sequence[str], slices: Sequence[str]) -> list[str]:
    """Those of ``names`` (with their folders) that are a slice's name but for its numbers or hashes.

    Some programs count in letters too, as ``I0000F`` on a CD: in the slices' own folder, a name of the same length and
    suffix that begins with the same word before its first digit is one of theirs.
    """
    patterns = {pattern for name in slices for pattern in _patterns(name)}
    forms = {_form(name) for name in slices} - {None}
    return [name for name in names if _patterns(name) & patterns or _form(name) in forms]


def _form(name: str) -> tuple[str, str, int, str] | None:
    """Folder, word before the first digit, length and suffix of a name; None if it has no digit."""
    folder, path = str(PurePosixPath(name).parent), PurePosixPath(name.casefold())
    word, *rest = NUMBER.split(path.stem, maxsplit=1)
    return (folder, word, len(path.name), path.suffix) if rest else None


def _patterns(name: str) -> set[str]:
    """A name without its numbers, and without its hashes and numbers: a hash may be of digits alone."""
    folded = name.casefold()
    return {NUMBER.sub("0", one) for one in (folded, HASH.sub("#", folded))} - {folded}
