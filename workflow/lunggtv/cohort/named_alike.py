"""Many files that are named alike, told as one with an asterisk. Standard library only: runs at parse time."""

import os
from collections.abc import Iterable
from pathlib import Path

NAMED_ALONE = 3  # files that are named alike; more are told as one, with an asterisk


def named_alike(paths: Iterable[tuple[str, str]]) -> set[str]:
    """Paths, each given behind what it is shown as where many are shown so."""
    alike: dict[str, list[str]] = {}
    for shown, path in paths:
        alike.setdefault(shown, []).append(path)
    return {
        one for shown, group in alike.items() for one in (group if len(group) <= NAMED_ALONE else [shown])
    }


def named_together(paths: Iterable[Path]) -> set[Path]:
    """The files of one scan as they are named among the ignored: many as one, with an asterisk."""
    several = set(paths)
    if len(several) <= NAMED_ALONE:
        return several
    names = [path.name for path in several]
    start = os.path.commonprefix(names)  # noqa: RUF071 - of letters
    end = os.path.commonprefix([name[len(start) :][::-1] for name in names])[::-1]  # noqa: RUF071
    return {next(iter(several)).with_name(f"{start}*{end}")}
