"""Sizes, intervals and lists in messages. Standard library only, for parse time."""

from collections.abc import Iterable, Sequence

NAMES_SHOWN = 5


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
