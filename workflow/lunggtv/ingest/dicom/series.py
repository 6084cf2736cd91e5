"""CT series: which images of a folder belong together, and how a series is named to the user."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from lunggtv.ingest.dicom.headers import CtSlice
from lunggtv.ingest.dicom.nesting import prefix_length
from lunggtv.ingest.raw_scan import Refused

MIN_SLICES = 3  # fewer have no spacing that could be checked: scouts, single frames, dose reports
KEY_CHARACTERS = 8


@dataclass(frozen=True)
class Series:
    """Slices that belong together. ``key`` stands for the series wherever a user sees or names it."""

    key: str
    slices: tuple[CtSlice, ...]
    uid: str = field(repr=False)

    @property
    def sop_uids(self) -> frozenset[str]:
        return frozenset(one.sop_uid for one in self.slices)

    @property
    def frame_uids(self) -> frozenset[str]:
        """Frames of reference of its images: one, none, or in some collections one an image."""
        return frozenset(one.frame_uid for one in self.slices) - {""}


def group_series(slices: Sequence[CtSlice]) -> tuple[list[Series], int]:
    """The series that may be a planning CT, ordered by key, and the number of images in no such series.

    A series of fewer than three images, or without a single image that has a place in space, is none; nor, beside a
    longer one, are images at one or two places, as those that wait for the contrast agent to arrive. One series whose
    images lie on top of each other, or between each other by acquisition, is parted by acquisition where that puts them
    in order (phases of a 4D CT, scans before and after contrast).
    """
    by_uid: dict[str, list[CtSlice]] = defaultdict(list)
    for one in slices:
        by_uid[one.series_uid].append(one)
    series = [part for uid, members in by_uid.items() for part in _parted(uid, members)]
    series = [one for one in series if len(one.slices) >= MIN_SLICES and any(s.place for s in one.slices)]
    stacks = [one for one in series if _is_stack(one)]
    longest = max((len(one.slices) for one in stacks), default=0)
    series = [one for one in series if one in stacks or len(one.slices) >= longest]
    return sorted(series, key=lambda one: one.key), len(slices) - sum(len(one.slices) for one in series)


def without_copies(series: Series) -> tuple[Series, list[str]]:
    """The series with every image once, and the names of files left out as exact copies of another.

    Raises:
        Refused: two files carry the same image id but differ.
    """
    first: dict[str, CtSlice] = {}
    copies: list[str] = []
    for one in series.slices:
        known = first.setdefault(one.sop_uid, one)
        if known is one:
            continue
        if _data_set(known.path) != _data_set(one.path):
            raise Refused(
                "duplicate_slices",
                f"{known.name} and {one.name} say they are the same CT image but differ. Keep the right one.",
            )
        copies.append(one.name)
    return replace(series, slices=tuple(first.values())), copies


def phase_named(series: Series, named: frozenset[str]) -> Series | None:
    """The images of a series that ``named`` holds, if these are one phase of several that lie on one another.

    They are one only if they leave no place out: contours alone name just the slices with a tumour.
    """
    if not _overlaps(series.slices):
        return None
    kept = tuple(one for one in series.slices if one.sop_uid in named)
    if len(kept) < MIN_SLICES or _overlaps(kept) or places_of(kept) != places_of(series.slices):
        return None
    return replace(series, slices=kept)


def heights_mm_of(members: Sequence[CtSlice], stack: Sequence[CtSlice]) -> list[float]:
    """Where images lie along the normal of a stack's first image; those without a place are left out."""
    placed = next((one.place for one in stack if one.place), None)
    if placed is None:
        return []
    normal = np.cross(placed.orientation[:3], placed.orientation[3:])
    return [float(np.dot(normal, one.place.position_mm)) for one in members if one.place]


def places_of(members: Sequence[CtSlice]) -> set[str]:
    """The places at which images lie, to a hundredth of a mm; those without a place are left out."""
    return {str(np.round(one.place.position_mm, 2).tolist()) for one in members if one.place}


def _data_set(path: Path) -> bytes:
    """The bytes of a file without preamble and prefix."""
    content = path.read_bytes()
    return content[prefix_length(content) :]


def _parted(uid: str, members: list[CtSlice]) -> list[Series]:
    whole = [Series(_key(uid), tuple(members), uid)]
    if not _overlaps(members) and not _alternates(members):
        return whole
    by_acquisition: dict[str, list[CtSlice]] = defaultdict(list)
    for one in members:
        by_acquisition[one.acquisition].append(one)
    parts = list(by_acquisition.items())
    if any(_overlaps(part) or len(part) < MIN_SLICES for _, part in parts):
        return whole
    return [Series(_key(f"{uid} {acquisition}"), tuple(part), uid) for acquisition, part in parts]


def _is_stack(series: Series) -> bool:
    return len(places_of(series.slices)) >= MIN_SLICES or any(one.place is None for one in series.slices)


def _overlaps(members: Sequence[CtSlice]) -> bool:
    """Whether two different images lie at one place."""
    return len(places_of(members)) < len({one.sop_uid for one in members if one.place})


def _alternates(members: Sequence[CtSlice]) -> bool:
    """Whether an acquisition comes again after another along the stack: two scans, one between the other's slices."""
    placed = [one for one in members if one.place]
    heights_mm = heights_mm_of(placed, placed)
    order = [placed[z].acquisition for z in np.argsort(heights_mm, kind="stable")]
    return sum(1 for _ in groupby(order)) > len(set(order))


def _key(text: str) -> str:
    # The leading letter keeps YAML from reading a key of digits as a number.
    return "s" + hashlib.sha256(text.encode()).hexdigest()[:KEY_CHARACTERS]
