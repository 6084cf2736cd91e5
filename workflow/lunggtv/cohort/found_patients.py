"""What was found of each patient on the way, and whether the ids will do. Standard library only, for parse time."""

# ruff: noqa: PTH120

import os
import unicodedata
from dataclasses import dataclass, field

from lunggtv.cohort.discover_words import twice
from lunggtv.cohort.path_search import Hit
from lunggtv.cohort.patterns import wrong_id
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
