"""Scans that lie where patients lie, but that neither pattern takes. Standard library only: runs at parse time.

A folder that holds images by the pattern may hold others too: with another suffix (``P4_0000.nii``), without
the channel, or a folder of DICOM files; and scans may lie beside the patients' folders. Each is a patient with a
problem, as nobody is left out in silence; but what carries the id of a patient that is there (a second channel, lungs)
is named among the ignored, and so are archives, as nobody knows what is in them.
"""

# ruff: noqa: PTH110, PTH112, PTH114, PTH118, PTH119, PTH120

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from lunggtv.cohort.discover_words import loose, misplaced, parted, unasked
from lunggtv.cohort.found_patients import Found
from lunggtv.cohort.named_alike import named_alike, named_together
from lunggtv.cohort.path_search import PathSearch
from lunggtv.cohort.pattern_ways import PatternWays, folders_above, ways_of
from lunggtv.cohort.patterns import PLACE, is_part_of_dataset, wrong_id
from lunggtv.cohort.scan_kinds import image_stem, is_archive, is_dicom, scan_stem
from lunggtv.cohort.stray_names import Owner, owner_of


@dataclass(frozen=True)
class StrayScans:
    """Looks below ``paths.root`` beside what ``image`` (components of data.image) takes; adds patients to ``found``,
    what belongs to one of them to ``ignored``."""

    paths: PathSearch
    image: tuple[str, ...]
    found: dict[str, Found]
    ignored: set[str]

    def add(self, holders: Collection[str], folders: Iterable[str], taken: Iterable[str]) -> frozenset[str]:
        """All strays, and gives the folders in which it looked.

        Args:
            holders: the folders of what bears the ids, by the hits.
            folders: those of the patients by the pattern.
            taken: the files that either pattern took.
        """
        ours = {*taken, *(entry.folder for entry in self.found.values() if entry.folder is not None)}
        ways = ways_of(self.paths, self.image, holders, folders, ours | self.ignored)
        known = folders_above(ours) | ways.folders
        flat = self.image.index(next(part for part in self.image if PLACE in part)) + 1 == len(self.image)
        for folder in sorted(ways.folders):
            paths = (os.path.join(folder, name) for name in sorted(self.paths.names(folder)))
            others = [path for path in paths if path not in ours]
            inner = set(filter(self._is_folder, others))
            files = [os.path.basename(path) for path in others if path not in inner]
            holds = folder in ways.holders
            if flat and holds:
                self._add_files(folder, files)
            else:
                self._add_loose(folder, files)
            self._ignore_alike(
                folder, ((f"*{name[name.rindex('.') :]}", name) for name in filter(is_archive, files))
            )
            if holds and not flat:
                self._adopt_folders(inner)
            if folder != self.paths.root:
                for path in sorted(inner - known):
                    if not self.paths.leads_elsewhere(path):
                        self._add_folder(path, flat and holds, any_image=holds and not flat)
        self._ignore_ways(ways, folders_above(taken))
        return ways.folders

    def _adopt_folders(self, folders: Iterable[str]) -> None:
        """Folders of patients who have nothing but a label, where it lies in them."""
        for path in folders:
            entry = self.found.get(os.path.basename(path))
            labels = entry.labels if entry is not None and entry.has_label_alone else []
            if entry is not None and any(hit.path.startswith(path + os.sep) for hit in labels):
                entry.folder = path

    def _ignore_ways(self, ways: PatternWays, told: set[str]) -> None:
        """Folders that a wildcard takes, and in which nobody lies."""
        places = [entry.folder for entry in self.found.values() if entry.folder is not None]
        told = told | folders_above([*places, *self.ignored, *self.paths.elsewhere])
        silent = ways.folders - ways.named - told
        self.ignored.update(folder for folder in silent if os.path.dirname(folder) not in silent)

    def _is_folder(self, path: str) -> bool:
        """A link to nothing may have led to a folder."""
        gone = os.path.islink(path) and not os.path.exists(path)
        return os.path.isdir(path) or (gone and "." not in os.path.basename(path))

    def _add_files(self, folder: str, names: list[str]) -> None:
        """Files among images that bear their patient's id in their name."""
        scans: dict[str, str] = {}
        alike: list[tuple[str, str]] = []
        for name in names:
            if (stem := scan_stem(os.path.join(folder, name))) is None:
                continue
            owner = owner_of(stem, self.image[-1], self.found)
            known = self.found.get(owner.patient)
            if known is None:
                scans[name] = owner.patient
            elif owner.plain and known.has_label_alone:
                known.folder = os.path.join(folder, name)
                known.problem = unasked([name], self._wanted(owner.patient))
            else:
                if owner.plain:
                    self._part(known, os.path.join(folder, name))
                start, end = owner.place
                alike.append((f"{name[:start]}*{name[end:]}", name))
        self._ignore_alike(folder, alike)
        for group in _groups(scans):
            patient = scans[group[0]]
            self._add(patient, _paths(folder, group), unasked(group, self._wanted(patient)))

    def _part(self, known: Found, path: str) -> None:
        """Of an image that lies with the label, while the one by the pattern lies elsewhere, the label may be."""
        folder = os.path.dirname(path)
        beside = [hit for hit in known.labels if os.path.dirname(hit.path) == folder]
        if beside and known.images and os.path.dirname(known.images[0].path) != folder:
            known.problem = known.problem or parted(known.images[0].path, beside[0].path)

    def _add_loose(self, folder: str, names: list[str]) -> None:
        """Files beside the folders of patients: each image, the DICOM files together."""
        stems = {name: scan_stem(os.path.join(folder, name)) for name in names}
        for group in _groups({name: stem for name, stem in stems.items() if stem is not None}):
            self._add(group[0], _paths(folder, group), loose(group))

    def _add_folder(self, path: str, flat: bool, any_image: bool) -> None:
        """A folder beside patients is one if it holds DICOM; among folders of patients, any image will do."""
        name = os.path.basename(path)
        files, problem = self.paths.below(path)
        problem = self.paths.link_problem(path) or problem
        scan = problem is not None or any(map(is_dicom, files))
        scan = scan or (any_image and any(image_stem(os.path.basename(file)) is not None for file in files))
        owner = owner_of(name, self.image[-1], self.found) if flat else Owner(name, (0, len(name)))
        known = self.found.get(owner.patient)
        words = misplaced(name, self._wanted(owner.patient), "*" in self.image[0]) if flat else None
        if not scan or is_part_of_dataset(name):
            self.ignored.add(path)
        elif known is None:
            self._add(name, (path,), problem or words)
        elif owner.plain and known.has_label_alone:
            known.folder, known.problem = path, problem or words
        else:
            self.ignored.add(path)

    def _add(self, patient: str, paths: tuple[str, ...], problem: str | None) -> None:
        """One scan, of one or several files."""
        if patient in self.found or wrong_id(patient):
            self.ignored.update(map(str, named_together(map(Path, paths))))
        else:
            self.found[patient] = Found(
                paths[0], problem=problem, strays=paths if problem is not None else ()
            )

    def _wanted(self, patient: str) -> str:
        return "/".join(self.image).replace(PLACE, patient)

    def _ignore_alike(self, folder: str, names: Iterable[tuple[str, str]]) -> None:
        """Names among the ignored, each given behind what many of them are shown as."""
        self.ignored.update(named_alike((os.path.join(folder, a), os.path.join(folder, b)) for a, b in names))


def _groups(scans: dict[str, str]) -> list[list[str]]:
    """Names of scans that are told together: images of one id (a header and its data), and all DICOM files."""
    groups: dict[str | None, list[str]] = {}
    for name, owner in scans.items():
        groups.setdefault(None if image_stem(name) is None else owner, []).append(name)
    return list(groups.values())


def _paths(folder: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(os.path.join(folder, name) for name in names)
