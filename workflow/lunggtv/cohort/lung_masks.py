"""Lung masks of the user's own (cache.lungs), and what else lies in their folders.

Standard library only: runs at parse time.
"""

# ruff: noqa: PTH112, PTH114, PTH118, PTH120, PTH122

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from lunggtv.cohort.named_alike import named_alike
from lunggtv.cohort.path_search import PathSearch
from lunggtv.cohort.pattern_ways import folders_above
from lunggtv.cohort.patterns import PLACE, component_expression
from lunggtv.cohort.scan_kinds import image_stem, is_archive, is_dicom, scan_stem
from lunggtv.cohort.stray_names import owner_of


@dataclass(frozen=True)
class LungMasks:
    """The masks at ``pattern``, with the data folder before it, of the patients ``ids``."""

    pattern: str
    ids: Collection[str]

    @property
    def shown(self) -> str:
        """What many masks are named as."""
        return self.pattern.replace(PLACE, "*")

    def patients(self) -> dict[str, str]:
        """The patient of each path at which a mask may lie."""
        return {self.pattern.replace(PLACE, patient): patient for patient in self.ids}

    def names(self) -> set[str]:
        """The masks that are there, the folders above them, and what many of them are named as."""
        there = set(filter(os.path.exists, self.patients()))
        return there | folders_above(there) | {self.shown}

    def of_nobody(self, paths: Collection[str]) -> set[str]:
        """Those of ``paths`` that are named like a mask, of whomever; none if no word but the id names masks."""
        return set() if image_stem(Path(self.pattern).name) == PLACE else set(filter(self._fits, paths))

    def others(self, folder: str, told: Collection[str]) -> set[str]:
        """Scans and archives in a folder of masks that are none of these masks, as they are named among the ignored.

        Args:
            folder: where to look.
            told: files and folders that are told already.
        """
        masks = self.patients()
        named = []
        for path in _files(folder):
            stem = None if path in masks else scan_stem(path)
            if stem is None and not is_archive(path):
                continue
            if not {path, *folders_above([path])}.isdisjoint(told):
                continue
            shown = self._shown(folder, path, stem) if stem is not None else None
            if shown is None and self._fits(path):
                shown = self.shown
            elif shown is None and is_dicom(path):
                shown = os.path.join(os.path.dirname(path), f"*{os.path.splitext(path)[1]}")
            named.append((shown or path, path))
        return named_alike(named)

    def _fits(self, path: str) -> bool:
        match = component_expression(self.pattern).fullmatch(path)
        return match is not None and os.sep not in match["patient"]

    def _shown(self, folder: str, path: str, stem: str) -> str | None:
        """A path with an asterisk in the place of a known id; None if there is none in it."""
        parts = list(Path(path).relative_to(folder).parts)
        known = False
        for at, part in enumerate(parts):
            owner = owner_of(stem if at == len(parts) - 1 else part, PLACE, self.ids)
            if owner.patient in self.ids:
                start, end = owner.place
                parts[at], known = f"{part[:start]}*{part[end:]}", True
        return os.path.join(folder, *parts) if known else None


def _files(folder: str) -> Iterator[str]:
    search = PathSearch(folder, os.path.realpath(folder), follow_links=False)
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        for name in search.names(here):
            path = os.path.join(here, name)
            if not os.path.isdir(path):
                yield path
            elif not os.path.islink(path):
                waiting.append(path)
