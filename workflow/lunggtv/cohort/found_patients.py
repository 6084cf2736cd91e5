"""What was found of each patient on the way, and whether the ids will do. Standard library only, for parse time."""

# ruff: noqa: PTH120

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from lunggtv.cohort.discover_words import twice
from lunggtv.cohort.path_search import Hit, PathSearch
from lunggtv.cohort.pattern_ways import folders_above
from lunggtv.cohort.patterns import wrong_id
from lunggtv.cohort.scan_kinds import is_dicom
from lunggtv.errors import CohortError


@dataclass
class Found:
    """What was found of one patient; ``strays``: the files or the folder of a scan that
    cannot be used where it lies, where there is nothing else."""

    folder: str | None = None
    images: list[Hit] = field(default_factory=list)
    labels: list[Hit] = field(default_factory=list)
    problem: str | None = None
    strays: tuple[str, ...] = ()

    @property
    def has_label_alone(self) -> bool:
        """Whether nothing but labels was found yet."""
        return self.folder is None and not self.images


def files_among(hits: dict[str, Hit], found: dict[str, Found]) -> dict[str, Hit]:
    """Files among the hits, by path; without those behind a patient's folder that is a bad link."""
    return {
        path: hit
        for path, hit in hits.items()
        if not (hit.is_folder or (hit.problem and found.get(hit.patient, Found()).folder == path))
    }


def twins_without_scans(paths: PathSearch, folders: Iterable[Hit], images: Iterable[str]) -> set[str]:
    """Folders that hold neither one of ``images`` nor DICOM files, where another folder of the same id does: masks or
    drafts beside the patients."""
    by_id: dict[str, list[Hit]] = {}
    for hit in folders:
        by_id.setdefault(hit.patient, []).append(hit)
    with_images = folders_above(images, paths.root)
    empty: set[str] = set()
    for twins in (group for group in by_id.values() if len(group) > 1):
        without = {
            hit.path
            for hit in twins
            if hit.problem is None
            and hit.path not in with_images
            and not any(map(is_dicom, paths.below(hit.path)[0]))
        }
        empty |= without if len(without) < len(twins) else set()
    return empty


def check_ids(found: dict[str, Found]) -> None:
    """Raise CohortError where an id cannot name a folder, or stands for two patients."""
    seen: dict[str, str] = {}
    for patient, entry in found.items():
        where = entry.folder or [*entry.images, *entry.labels][0].path
        if wrong := wrong_id(patient):
            # repr escapes control characters, and bytes that are not UTF-8 as \udce9.
            shown = repr(where).replace("\\udc", "\\x")
            raise CohortError(f"{shown} cannot be a patient's id: it {wrong}. Rename it.")
        places = {os.path.dirname(hit.path) for hit in entry.images}
        if len(places) > 1:
            raise CohortError(twice(patient, sorted(hit.path for hit in entry.images)))
        # The same letters composed and decomposed are two folders, but one name to everybody.
        twin = seen.setdefault(unicodedata.normalize("NFC", patient), where)
        if twin != where:
            raise CohortError(
                f"{twin} and {where} have the same name, written in two ways. Rename one of them."
            )
