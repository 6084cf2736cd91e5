"""Finds the patients below a data folder, from names alone. Standard library only: runs at parse time.

Two ways to be a patient. By pattern: ``{patient}/data.nii.gz`` says where images lie; ``{patient}`` is a path
component or a part of one, ``*`` is anything within a component, ``**`` any number of folders. By folder: a
folder where the pattern expects a patient, or any other folder directly below the root, that yields no
image is a patient too, DICOM if it holds files, rejected with words if it does not; and so is a scan that lies
beside the folders. Nobody is left out in silence. Hidden files, and what file managers leave behind, do not count.
"""

# Ten thousand patients are looked at on every start, so paths stay texts here.
# ruff: noqa: PTH110, PTH112, PTH114, PTH118, PTH119, PTH120, PTH206

import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lunggtv.cohort.discover_words import loose, misnamed, nobody, several, twice
from lunggtv.cohort.patterns import PLACE, components, fitting, is_clutter, visible, wrong_id
from lunggtv.errors import CohortError
from lunggtv.image_headers import detached_data, suffix_of
from lunggtv.natural_order import natural_key
from lunggtv.patient_files import PatientFiles

DICOM = (".dcm", ".dicom", ".ima")


@dataclass(frozen=True)
class _Hit:
    """A path that fits a pattern; ``problem`` says why it cannot be used (a bad link)."""

    patient: str
    path: str
    problem: str | None = None
    is_folder: bool = False


@dataclass
class _Found:
    """What was found of one patient."""

    folder: str | None = None
    images: list[_Hit] = field(default_factory=list)
    labels: list[_Hit] = field(default_factory=list)
    problem: str | None = None


def find_patients(
    root: str | Path, labelled: bool, image_pattern: str, label_pattern: str, follow_links: bool = False
) -> tuple[PatientFiles, ...]:
    """The patients below ``root`` in natural order.

    Args:
        root: the data folder.
        labelled: whether these patients come with a GTV; ``label_pattern`` counts only then.
        image_pattern, label_pattern: where files lie below ``root``; see the module's text.
        follow_links: use symbolic links that lead out of ``root``; otherwise a patient behind one is kept
            with a ``problem``.

    Raises:
        CohortError: no such folder, nobody in it, an id that cannot name a folder, an id used twice.
    """
    search = _Search(str(root), os.path.realpath(root), follow_links)
    if not os.path.isdir(root):
        raise CohortError(nobody(root, labelled, image_pattern, "is not there"))
    found = search.patients(components(image_pattern), components(label_pattern), labelled)
    if not found:
        raise CohortError(nobody(root, labelled, image_pattern, "holds no patients"))
    _check_ids(found)
    patients = [search.files_of(name, found[name], labelled, image_pattern) for name in found]
    return tuple(sorted(patients, key=lambda files: natural_key(files.patient)))


@dataclass(frozen=True)
class _Search:
    root: str
    real_root: str
    follow_links: bool

    def patients(self, image: tuple[str, ...], label: tuple[str, ...], labelled: bool) -> dict[str, _Found]:
        """Everybody below the root, by id."""
        found: dict[str, _Found] = {}
        covered: set[str] = set()
        depth = next(i for i, part in enumerate(image) if PLACE in part)
        if depth + 1 < len(image) and "**" not in image[:depth]:
            for hit in self.matches(self.root, image[: depth + 1]):
                if hit.problem or hit.is_folder:
                    self._add_folder(found, hit)
                    covered.add(self._first_level(hit.path))
        images, labels = self._files(image, found), self._files(label, found)
        # Flat folders: 7_seg.nii.gz fits {patient}.nii.gz too. The pattern that says more owns the file.
        weaker, stronger = (images, labels) if _literal(label) > _literal(image) else (labels, images)
        for path in stronger:
            weaker.pop(path, None)
        for hits, kind in ((images, "images"), (labels, "labels")):
            covered |= {self._first_level(path) for path in hits}
            for hit in hits.values():
                if labelled or kind == "images":
                    getattr(found.setdefault(hit.patient, _Found()), kind).append(hit)
        for name in sorted(visible(self.root)):
            path = os.path.join(self.root, name)
            if name not in covered and ((problem := self.link_problem(path)) or os.path.isdir(path)):
                self._add_folder(found, _Hit(name, path, problem))
        if found and len(image) > 1:
            self._addloose(found, covered)
        return found

    def _addloose(self, found: dict[str, _Found], covered: set[str]) -> None:
        """Scans directly below the root, where patients have folders: each image file, the DICOM files together."""
        names = sorted(set(visible(self.root)) - covered - set(found))
        files = [name for name in names if not os.path.isdir(os.path.join(self.root, name))]
        dicom = [name for name in files if name.lower().endswith(DICOM)]
        for group in ([name] for name in files if suffix_of(name)):
            found[group[0]] = _Found(self.root, problem=loose(group))
        if dicom:
            found[dicom[0]] = _Found(self.root, problem=loose(dicom))

    def _files(self, parts: tuple[str, ...], found: dict[str, _Found]) -> dict[str, _Hit]:
        """Files that fit a pattern, by path; without those behind a patient's folder that is a bad link."""
        return {
            hit.path: hit
            for hit in self.matches(self.root, parts)
            if not (hit.is_folder or (hit.problem and found.get(hit.patient, _Found()).folder == hit.path))
        }

    def files_of(self, patient: str, found: _Found, labelled: bool, image_pattern: str) -> PatientFiles:
        """The files of one patient, or what is the matter with them."""
        wanted = image_pattern.replace(PLACE, patient)
        hits = [*found.images, *found.labels]
        folder = found.folder or os.path.dirname(hits[0].path)
        problem = found.problem or next((hit.problem for hit in hits if hit.problem), None)
        if problem is None and len(found.images) > 1:
            problem = several("data.image", (hit.path for hit in found.images))
        if problem is None and len(found.labels) > 1:
            problem = several("data.label", (hit.path for hit in found.labels))
        if problem is None and not found.images and found.folder is None:
            problem = f"there is a label, {os.path.basename(hits[0].path)}, but no image {wanted}."
        files: list[str] = []
        if problem is None and not found.images:
            files, problem = self.below(folder)
            problem = problem or misnamed(files, folder, wanted)
        if problem is not None:
            return PatientFiles(patient, labelled, Path(folder), (), problem=problem)
        image, label = (Path(hits[0].path) if hits else None for hits in (found.images, found.labels))
        inputs = {path for path in (image, label) if path is not None}
        inputs |= {data for path in inputs if (data := detached_data(path)) is not None} | set(
            map(Path, files)
        )
        return PatientFiles(patient, labelled, Path(folder), tuple(sorted(inputs)), image, label)

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
                entries = list(os.scandir(here))
            except OSError as error:
                return [], f"the folder {os.path.basename(here)} cannot be listed ({error.strerror})."
            for entry in entries:
                if is_clutter(entry.name):
                    continue
                if entry.is_symlink() and (problem := self.link_problem(entry.path)):
                    return [], problem
                if entry.is_dir():
                    waiting.append(entry.path)
                elif entry.is_file():
                    files.append(entry.path)
        return sorted(files), None

    def matches(self, folder: str, parts: tuple[str, ...], patient: str | None = None) -> Iterator[_Hit]:
        """Paths below ``folder`` that fit the components, in no particular order."""
        part, rest = parts[0], parts[1:]
        if part == "**":
            yield from self.matches(folder, rest, patient)
            for name in visible(folder):
                path = os.path.join(folder, name)
                if os.path.isdir(path) and not os.path.islink(path):
                    yield from self.matches(path, parts, patient)
            return
        for name, known in fitting(folder, part, patient):
            path = os.path.join(folder, name)
            try:
                mode = os.lstat(path).st_mode
            except (FileNotFoundError, NotADirectoryError):
                continue
            problem = self.link_problem(path) if stat.S_ISLNK(mode) else None
            is_folder = stat.S_ISDIR(mode) or (stat.S_ISLNK(mode) and os.path.isdir(path))
            if problem or not rest:
                if known is None:
                    raise CohortError(f"{path}: {problem}")
                yield _Hit(known, path, problem, is_folder)
            elif is_folder:
                yield from self.matches(path, rest, known)

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

    def _first_level(self, path: str) -> str:
        return os.path.relpath(path, self.root).split(os.sep)[0]

    def _add_folder(self, found: dict[str, _Found], hit: _Hit) -> None:
        known = found.setdefault(hit.patient, _Found())
        if known.folder is not None or known.images or known.labels:
            other = known.folder or [*known.images, *known.labels][0].path
            raise CohortError(twice(hit.patient, [other, hit.path]))
        known.folder, known.problem = hit.path, hit.problem


def _literal(parts: tuple[str, ...]) -> int:
    return len("".join(parts).replace(PLACE, "").replace("*", ""))


def _check_ids(found: dict[str, _Found]) -> None:
    seen: dict[str, str] = {}
    for patient, entry in found.items():
        where = entry.folder or [*entry.images, *entry.labels][0].path
        shown = where.encode("utf-8", "replace").decode("utf-8", "replace")
        if wrong := wrong_id(patient):
            raise CohortError(f"{shown!r} cannot be a patient's id: it {wrong}. Rename it.")
        places = {os.path.dirname(hit.path) for hit in entry.images}
        if len(places) > 1:
            raise CohortError(twice(patient, sorted(hit.path for hit in entry.images)))
        # The same letters composed and decomposed are two folders, but one name to everybody.
        twin = seen.setdefault(unicodedata.normalize("NFC", patient), where)
        if twin != where:
            raise CohortError(
                f"{twin} and {where} have the same name, written in two ways. Rename one of them."
            )
