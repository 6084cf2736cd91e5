"""What was found of each patient on the way, and whether the ids will do. Standard library only, for parse time."""

# ruff: noqa: PTH120, PTH206

import itertools
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from lunggtv.cohort.discover_words import parted, twice
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


def part_sites(root: str, found: dict[str, Found], image: Sequence[str], label: Sequence[str]) -> None:
    """Give those a problem whose label lies where images of others lie.

    Where both patterns begin alike, with a wildcard for the site, and the label's site has images of its own, the label
    is one of another person, whose image is not there or is misnamed. In a folder of labels most belong elsewhere.
    """
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(image, label, strict=False))
    way = [part for part, _ in pairs]
    if "**" in way:
        return

    def site(hit: Hit) -> tuple[str, ...]:
        return tuple(hit.path[len(root) + 1 :].split(os.sep)[: len(way)])

    pairs_of = [
        (one, site(one.images[0]), site(one.labels[0])) for one in found.values() if one.images and one.labels
    ]
    foreign = Counter(there for _, here, there in pairs_of if here != there)
    own = Counter(site(one.images[0]) for one in found.values() if one.images)
    for entry, here, there in pairs_of:
        if here != there and own[there] >= foreign[there]:
            entry.problem = entry.problem or parted(entry.images[0].path, entry.labels[0].path)


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
