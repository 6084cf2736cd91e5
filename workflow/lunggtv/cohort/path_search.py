"""Walks below a data folder: paths that fit a pattern, all files of a folder, links and closed folders on the way.

Standard library only: runs at parse time. Ten thousand patients are looked at on every start, so paths stay texts.
"""

# ruff: noqa: PTH110, PTH112, PTH113, PTH114, PTH118, PTH119, PTH206

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from lunggtv.cohort.patterns import fitting, is_clutter, is_system, visible
from lunggtv.errors import CohortError


@dataclass(frozen=True)
class Hit:
    """A path that fits a pattern; ``problem`` says why it cannot be used (a bad link, no permission)."""

    patient: str
    path: str
    problem: str | None = None
    is_folder: bool = False


@dataclass(frozen=True)
class PathSearch:
    """Below ``root``, whose links are resolved in ``real_root``. ``closed`` gathers folders that cannot be listed,
    each with what the system says, and ``system`` those that disks bring along; both on the way of ``matches`` and
    ``below``. In the folders ``elsewhere`` others lie than are looked for."""

    root: str
    real_root: str
    follow_links: bool
    closed: dict[str, str] = field(default_factory=dict)
    system: set[str] = field(default_factory=set)
    elsewhere: set[str] = field(default_factory=set)

    def matches(self, folder: str, parts: tuple[str, ...], patient: str | None = None) -> Iterator[Hit]:
        """Paths below ``folder`` that fit the components, in no particular order."""
        part, rest = parts[0], parts[1:]
        if part == "**":
            yield from self.matches(folder, rest, patient)
            for name in self.names(folder):
                path = os.path.join(folder, name)
                if os.path.isdir(path) and not os.path.islink(path):
                    yield from self.matches(path, parts, patient)
            return
        for name, known in fitting(lambda: self.names(folder), part, patient):
            path = os.path.join(folder, name)
            try:
                mode = os.lstat(path).st_mode
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                if known is None:
                    self.closed[folder] = str(error.strerror)
                else:
                    yield Hit(known, path, closed_words(folder, str(error.strerror)))
                continue
            problem = self.link_problem(path) if stat.S_ISLNK(mode) else None
            is_folder = stat.S_ISDIR(mode) or (stat.S_ISLNK(mode) and os.path.isdir(path))
            if problem and rest and os.path.isfile(path):
                continue  # a file is no folder, wherever it lies
            if problem or not rest:
                if known is None:
                    raise CohortError(f"{path}: {problem}")
                yield Hit(known, path, problem, is_folder)
            elif is_folder:
                yield from self.matches(path, rest, known)

    def names(self, folder: str) -> list[str]:
        """What is visible in a folder, but for what disks bring along; nothing of a folder that is ``closed``."""
        try:
            names = visible(folder)
        except OSError as error:
            self.closed[folder] = str(error.strerror)
            return []
        self.system.update(os.path.join(folder, name) for name in names if is_system(name))
        return [name for name in names if not is_system(name)]

    def below(self, folder: str) -> tuple[list[str], str | None]:
        """All regular files below a folder, sorted, or the first thing that forbids to use them."""
        files: list[str] = []
        waiting, seen = [folder], set()
        while waiting:
            here = waiting.pop()
            # Links inside the root may form a ring.
            if (real := os.path.realpath(here)) in seen:
                continue
            seen.add(real)
            try:
                with os.scandir(here) as found:
                    entries = [entry for entry in found if not is_clutter(entry.name)]
            except OSError as error:
                return [], closed_words(here, str(error.strerror))
            for entry in entries:
                if is_system(entry.name):
                    self.system.add(entry.path)
                elif entry.is_symlink() and (problem := self.link_problem(entry.path)):
                    return [], problem
                elif entry.is_dir():
                    waiting.append(entry.path)
                elif entry.is_file():
                    files.append(entry.path)
        return sorted(files), None

    def link_problem(self, path: str) -> str | None:
        """What is wrong with ``path`` as a symbolic link; None if it is none or may be followed."""
        if not os.path.islink(path):
            return None
        name = os.path.basename(path)
        target = os.path.realpath(path)
        if not os.path.exists(target):
            return f"{name} is a symbolic link to something that is not there. Mend or remove it."
        inside = target == self.real_root or target.startswith(self.real_root + os.sep)
        if inside or self.follow_links:
            return None
        return (
            f"{name} is a symbolic link that leads out of the data folder. Copy what it points to, or set "
            "data.follow_links to true."
        )

    def leads_elsewhere(self, folder: str) -> bool:
        """Whether a folder is one of ``elsewhere``, or above or below one."""
        here = folder + os.sep
        return any(
            (place + os.sep).startswith(here) or here.startswith(place + os.sep) for place in self.elsewhere
        )

    def first_level(self, path: str) -> str:
        """The name directly below the root on the way to a path."""
        return os.path.relpath(path, self.root).split(os.sep)[0]


def closed_words(path: str, why: str) -> str:
    """What is told of a path that the system keeps closed."""
    return f"{os.path.basename(path)} cannot be looked into ({why}). Make it readable."
