"""Scans that lie where patients lie, but that neither pattern takes. Standard library only: runs at parse time.

A folder that holds images by the pattern may hold others too: with another suffix (``P4_0000.nii``), without
the channel, or a folder of DICOM files. Each is a patient with a problem, as nobody is left out in silence; but what
carries the id of a patient that is there (a second channel, lungs) is named among the ignored.
"""

# ruff: noqa: PTH112, PTH113, PTH118, PTH119, PTH120

import os
from collections.abc import Iterable
from dataclasses import dataclass

from lunggtv.cohort.discover_words import loose, misplaced, unasked
from lunggtv.cohort.foreign_folders import may_be_dicom
from lunggtv.cohort.found_patients import Found
from lunggtv.cohort.path_search import Hit, PathSearch
from lunggtv.cohort.patterns import PLACE, is_part_of_dataset, literal_start, wrong_id
from lunggtv.cohort.stray_names import owner_of
from lunggtv.image_headers import suffix_of

DICOM = (".dcm", ".dicom", ".ima")
NAMED_ALONE = 3  # files of found patients that are named alike; more are told as one, with an asterisk


@dataclass(frozen=True)
class StrayScans:
    """Looks below ``paths.root`` beside what ``image`` (components of data.image) takes; adds patients to ``found``,
    what belongs to one of them to ``ignored``."""

    paths: PathSearch
    image: tuple[str, ...]
    found: dict[str, Found]
    ignored: set[str]

    def add(self, images: Iterable[Hit], taken: Iterable[str]) -> None:
        """All strays: ``images`` are what the pattern took, ``taken`` the paths that either pattern took."""
        ours = {*taken, *(entry.folder for entry in self.found.values() if entry.folder is not None)}
        ways = _folders_above(ours)
        depth = next(i for i, part in enumerate(self.image) if PLACE in part)
        flat = depth + 1 == len(self.image)
        for folder in sorted(self._holders(images, depth)):
            names = [
                name for name in sorted(self.paths.names(folder)) if os.path.join(folder, name) not in ours
            ]
            folders = [name for name in names if os.path.isdir(os.path.join(folder, name))]
            files = [name for name in names if name not in folders]
            if flat:
                self._add_files(folder, files)
            elif folder != self.paths.root:
                self._add_loose(folder, files)
            if folder != self.paths.root:
                for name in folders:
                    if (path := os.path.join(folder, name)) not in ways:
                        self._add_folder(path, flat)

    def _holders(self, images: Iterable[Hit], depth: int) -> set[str]:
        """Folders in which the pattern finds the files or folders that bear the patients' ids."""
        if "**" in self.image[depth:]:
            return set()
        holders = set()
        for hit in images:
            path = hit.path
            for _ in self.image[depth:]:
                path = os.path.dirname(path)
            holders |= {path} if hit.problem is None else set()
        start = literal_start(self.image[: depth + 1])
        return holders | ({os.path.join(self.paths.root, *start)} if len(start) == depth else set())

    def _add_files(self, folder: str, names: list[str]) -> None:
        """Files among images that bear their patient's id in their name."""
        scans: dict[str, str] = {}
        alike: dict[str, list[str]] = {}
        for name in names:
            if (stem := self._stem(folder, name)) is None:
                continue
            owner = owner_of(stem, self.image[-1], self.found)
            known = self.found.get(owner.patient)
            if known is None:
                scans[name] = owner.patient
            elif owner.plain and known.folder is None and not known.images and known.problem is None:
                known.problem = unasked([name], self._wanted(owner.patient))
            else:
                start, end = owner.place
                alike.setdefault(f"{name[:start]}*{name[end:]}", []).append(os.path.join(folder, name))
        for shown, paths in alike.items():
            self.ignored.update(paths if len(paths) <= NAMED_ALONE else [os.path.join(folder, shown)])
        dicom = [name for name in scans if suffix_of(name) is None]
        for group in [*([name] for name in scans if suffix_of(name)), *([dicom] if dicom else [])]:
            patient = scans[group[0]]
            self._add(patient, os.path.join(folder, group[0]), unasked(group, self._wanted(patient)))

    def _add_loose(self, folder: str, names: list[str]) -> None:
        """Files beside the folders of patients: each image, the DICOM files together."""
        scans = [name for name in names if self._stem(folder, name) is not None]
        dicom = [name for name in scans if suffix_of(name) is None]
        for group in [*([name] for name in scans if suffix_of(name)), *([dicom] if dicom else [])]:
            self._add(group[0], os.path.join(folder, group[0]), loose(group))

    def _add_folder(self, path: str, flat: bool) -> None:
        """A folder among images is a patient if it holds DICOM; among folders of patients, any image will do."""
        name = os.path.basename(path)
        files, problem = self.paths.below(path)
        scan = problem is not None or any(map(_is_dicom, files))
        scan = scan or (not flat and any(map(suffix_of, files)))
        known = flat and owner_of(name, self.image[-1], self.found).patient in self.found
        if known or not scan or is_part_of_dataset(name):
            self.ignored.add(path)
        else:
            words = misplaced(name, self._wanted(name)) if flat else None
            self._add(name, path, problem or words)

    def _add(self, patient: str, path: str, problem: str | None) -> None:
        if patient in self.found or wrong_id(patient):
            self.ignored.add(path)
        else:
            self.found[patient] = Found(path, problem=problem)

    def _wanted(self, patient: str) -> str:
        return "/".join(self.image).replace(PLACE, patient)

    def _stem(self, folder: str, name: str) -> str | None:
        """A scan's name without its suffix; None if the file is no scan."""
        path = os.path.join(folder, name)
        if suffix := suffix_of(name) or next((end for end in DICOM if name.lower().endswith(end)), None):
            return name[: -len(suffix)]
        return name if os.path.isfile(path) and may_be_dicom(path) else None


def _is_dicom(path: str) -> bool:
    return path.lower().endswith(DICOM) or may_be_dicom(path)


def _folders_above(paths: Iterable[str]) -> set[str]:
    above: set[str] = set()
    for path in paths:
        while (path := os.path.dirname(path)) and path not in above and path != os.sep:
            above.add(path)
    return above
