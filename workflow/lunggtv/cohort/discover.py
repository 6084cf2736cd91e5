"""Finds the patients below a data folder, from names alone. Standard library only: runs at parse time.

Two ways to be a patient. By pattern: ``{patient}/data.nii.gz`` says where images lie; ``{patient}`` is a path
component or a part of one, ``*`` is anything within a component, ``**`` any number of folders. By folder: a
folder where the pattern expects a patient, or any other folder directly below the root, that yields no
image is a patient too, DICOM if it holds files, rejected with words if it does not; and so is a scan that lies
beside the folders, and a folder that may not be read, and a scan among the images that is not named like
them (``stray_scans``). Nobody is left out in silence: folders that are no patients
(``foreign_folders``, and what disks bring along) are named as ignored. Hidden files, and what file managers leave
behind, do not count.
"""

# Ten thousand patients are looked at on every start, so paths stay texts here.
# ruff: noqa: PTH112, PTH118, PTH119

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lunggtv.cohort.discover_words import known_tree, nobody, twice
from lunggtv.cohort.foreign_folders import is_foreign
from lunggtv.cohort.found_patients import Found, check_ids, files_among, part_sites
from lunggtv.cohort.known_trees import recognise
from lunggtv.cohort.label_folders import folders_of_labels, others_among_labels
from lunggtv.cohort.path_search import Hit, PathSearch, closed_words
from lunggtv.cohort.pattern_ways import folders_above, holders_of, sites_of
from lunggtv.cohort.patterns import PLACE, components, literal_length, literal_start
from lunggtv.cohort.scan_kinds import is_dicom
from lunggtv.cohort.stray_scans import StrayScans
from lunggtv.cohort.usable_files import files_of, is_usable, opened
from lunggtv.errors import CohortError
from lunggtv.natural_order import natural_key
from lunggtv.patient_files import PatientFiles


@dataclass(frozen=True)
class Discovery:
    """Patients in natural order, and what was passed over because it is no patient; ``strays`` has the
    files of each patient that is but scans that cannot be used where they lie, ``alone`` the labels of each
    that has no image and cannot be used, and ``meant`` the patients' folders by the pattern."""

    patients: tuple[PatientFiles, ...]
    ignored: tuple[str, ...]
    strays: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    alone: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    meant: frozenset[str] = frozenset()


def find_patients(
    root: str | Path, labelled: bool, image_pattern: str, label_pattern: str, follow_links: bool = False
) -> tuple[PatientFiles, ...]:
    """The patients of ``discover``."""
    return discover(root, labelled, image_pattern, label_pattern, follow_links).patients


def discover(
    root: str | Path,
    labelled: bool,
    image_pattern: str,
    label_pattern: str,
    follow_links: bool = False,
    elsewhere: Collection[str] = (),
    lungs: Collection[str] = (),
) -> Discovery:
    """Who and what lies below ``root``.

    Args:
        root: the data folder.
        labelled: whether these patients come with a GTV; ``label_pattern`` counts only then.
        image_pattern, label_pattern: where files lie below ``root``; see the module's text.
        follow_links: use symbolic links that lead out of ``root``; otherwise a patient behind one is kept
            with a ``problem``.
        elsewhere: folders below ``root`` that are looked at as somebody else's: they, and those above them and
            below, are no patients, and nothing in them fits a pattern that does not begin there.
        lungs: folders of lung masks, in which nobody lies but by a pattern.

    Raises:
        CohortError: no such folder, nobody in it or only what other patterns would read, an id that cannot name a
            folder, an id used twice.
    """
    paths = PathSearch(str(root), os.path.realpath(root), follow_links, elsewhere=set(elsewhere))
    search = _Search(paths, frozenset(lungs))
    if not os.path.isdir(root):
        raise CohortError(nobody(root, labelled, image_pattern, "is not there"))
    found = search.patients(components(image_pattern), components(label_pattern), labelled)
    check_ids(found)
    patients = [opened(files_of(search.paths, name, found[name], labelled, image_pattern)) for name in found]
    if not any(map(is_usable, patients)) and (tree := recognise(root)) is not None:
        wanted = (tree.image, tree.label) if labelled else (tree.unlabelled_image or tree.image, None)
        if wanted[0] is not None and (wanted[0], wanted[1] or label_pattern) != (
            image_pattern,
            label_pattern,
        ):
            raise CohortError(known_tree(root, labelled, tree))
    if not found and not any(map(os.path.isdir, elsewhere)):
        raise CohortError(nobody(root, labelled, image_pattern, "holds no patients"))
    return Discovery(
        tuple(sorted(patients, key=lambda files: natural_key(files.patient))),
        tuple(sorted(search.ignored | search.paths.system)),
        {name: entry.strays for name, entry in found.items() if entry.strays},
        {
            one.patient: tuple(hit.path for hit in found[one.patient].labels)
            for one in patients
            if one.problem and not found[one.patient].images
        },
        frozenset(search.meant),
    )


@dataclass(frozen=True)
class _Search:
    paths: PathSearch
    lungs: frozenset[str]
    ignored: set[str] = field(default_factory=set)
    meant: list[str] = field(default_factory=list)

    def patients(self, image: tuple[str, ...], label: tuple[str, ...], labelled: bool) -> dict[str, Found]:
        """Everybody below the root, by id."""
        root, paths = self.paths.root, self.paths
        images, labels = self._hits(image), self._hits(label)
        depth = next(i for i, part in enumerate(image) if PLACE in part)
        owned: list[Hit] = []
        if depth + 1 < len(image) and "**" not in image[:depth]:
            owned = [hit for hit in paths.matches(root, image[: depth + 1]) if hit.problem or hit.is_folder]
        paths.elsewhere.update(self._masks_alone(images, labels, label, owned))
        self._check_listed(image, label)
        with_files = {paths.first_level(path) for path in (*images, *labels)}
        folders = [name for name in sorted(paths.names(root)) if self._is_folder(name)]
        # With no image in place nothing is foreign, but for the folder of the labels alone.
        of_labels = [name for name in literal_start(label)[:1] if name != image[0]]
        asked = folders if any(not hit.is_folder for hit in images.values()) else of_labels
        foreign = [n for n in asked if n in folders and n not in with_files and is_foreign(paths, n, image)]
        self.ignored.update(os.path.join(root, name) for name in foreign)
        folders = [name for name in folders if name not in foreign]
        found: dict[str, Found] = {}
        covered: set[str] = set()
        masks: set[str] = set()
        if owned:
            masks = folders_of_labels(paths, label, image, labels, images, {hit.path for hit in owned})
            covered.update(map(paths.first_level, masks))
            owned = [h for h in owned if not (h.path in masks or self._is_ignored_or_elsewhere(h.path))]
            covered.update(paths.first_level(hit.path) for hit in owned)
            for hit in owned:
                self._add_folder(found, hit)
                self.meant.append(hit.path)
        images, labels = files_among(images, found), files_among(labels, found)
        taken = {**images, **labels}
        # Flat folders: 7_seg.nii.gz fits {patient}.nii.gz too. The pattern that says more owns the file.
        weaker, stronger = (
            (images, labels) if literal_length(label) > literal_length(image) else (labels, images)
        )
        for path in stronger:
            weaker.pop(path, None)
        for hits, kind in ((images, "images"), (labels, "labels")):
            covered |= {paths.first_level(path) for path in hits}
            for hit in hits.values():
                if labelled or kind == "images":
                    getattr(found.setdefault(hit.patient, Found()), kind).append(hit)
        part_sites(root, found, image, label)
        unseen = [name for name in folders if name not in covered]
        holders = holders_of(image, images.values(), label, labels.values() if labelled else ())
        sites = sites_of(paths, image, holders, unseen)
        for name in (name for name in unseen if name not in sites):
            path = os.path.join(root, name)
            self._add_folder(found, Hit(name, path, paths.link_problem(path)))
        self._add_closed(found)
        if found or paths.elsewhere:
            ways = StrayScans(paths, image, found, self.ignored).add(holders, self.meant, taken)
            self.ignored.update(others_among_labels(paths, label, labels.values(), found, ways, masks))
        self._drop_way(found, literal_start(image)[:1])
        return found

    def _hits(self, pattern: tuple[str, ...]) -> dict[str, Hit]:
        """What fits a pattern, by path; nothing in the folders of others but for those in which the pattern begins."""
        begins = os.path.join(self.paths.root, *literal_start(pattern), "")
        others = tuple(
            place + os.sep for place in self.paths.elsewhere if not begins.startswith(place + os.sep)
        )
        hits = self.paths.matches(self.paths.root, pattern)
        return {hit.path: hit for hit in hits if not hit.path.startswith(others)}

    def _masks_alone(
        self, images: Iterable[str], labels: Iterable[str], label: tuple[str, ...], owned: Iterable[Hit]
    ) -> set[str]:
        """The folders of lung masks in which nobody lies: no image or label by the pattern, and no patient's folder
        with DICOM files in it."""
        paths, root = self.paths, self.paths.root
        begins = os.path.join(root, *literal_start(label), "")
        of_labels = {place for place in self.lungs if begins.startswith(place + os.sep)}
        inner = [
            hit.path for hit in owned if hit.path.startswith(tuple(place + os.sep for place in self.lungs))
        ]
        of_dicom = (path for path in inner if any(map(is_dicom, paths.below(path)[0])))
        held = folders_above((*images, *of_dicom), root) | (folders_above(labels, root) - of_labels)
        return set(self.lungs) - held

    def _drop_way(self, found: dict[str, Found], start: list[str]) -> None:
        """The folder in which the pattern begins is no patient, where patients lie in it."""
        for name in start:
            folder = os.path.join(self.paths.root, name)
            inner = any(entry.folder and entry.folder.startswith(folder + os.sep) for entry in found.values())
            if inner and name in found and found[name].folder == folder:
                del found[name]

    def _is_folder(self, name: str) -> bool:
        path = os.path.join(self.paths.root, name)
        there = self.paths.link_problem(path) is not None or os.path.isdir(path)
        return there and not self.paths.leads_elsewhere(path)

    def _is_ignored_or_elsewhere(self, path: str) -> bool:
        first = os.path.join(self.paths.root, self.paths.first_level(path))
        return first in self.ignored or self.paths.leads_elsewhere(path)

    def _check_listed(self, *patterns: tuple[str, ...]) -> None:
        """Raise CohortError if a folder on the way to all patients is closed."""
        for parts in patterns:
            start = literal_start(parts)
            for above in range(len(start) + 1):
                folder = os.path.join(self.paths.root, *start[:above])
                if why := self.paths.closed.get(folder):
                    raise CohortError(f"{folder} cannot be listed: {why}. Make it readable.")

    def _add_closed(self, found: dict[str, Found]) -> None:
        """Folders that cannot be listed, and in which patients may lie; those of a patient are in its own words."""
        hits = [hit.path + os.sep for entry in found.values() for hit in (*entry.images, *entry.labels)]
        known = tuple(entry.folder + os.sep for entry in found.values() if entry.folder is not None)
        for path, why in sorted(self.paths.closed.items()):
            told = (path + os.sep).startswith(known) or any(hit.startswith(path + os.sep) for hit in hits)
            if not told and not self._is_ignored_or_elsewhere(path):
                self._add_folder(found, Hit(os.path.basename(path), path, closed_words(path, why)))

    def _add_folder(self, found: dict[str, Found], hit: Hit) -> None:
        known = found.setdefault(hit.patient, Found())
        if known.folder is not None or known.images:
            other = known.folder or known.images[0].path
            raise CohortError(twice(hit.patient, sorted([other, hit.path])))
        known.folder, known.problem = hit.path, hit.problem
