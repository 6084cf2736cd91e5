"""CT series: which images of a folder belong together, and how a series is named to the user."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lunggtv.ingest.dicom.grid import planes_of, stack
from lunggtv.ingest.dicom.headers import CtSlice
from lunggtv.ingest.dicom.nesting import prefix_length
from lunggtv.ingest.raw_scan import Refused
from lunggtv.wording import by

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
    def frame_uid(self) -> str:
        """Frame of reference of the series."""
        return self.slices[0].frame_uid


def group_series(slices: Sequence[CtSlice]) -> tuple[list[Series], int]:
    """The series that may be a planning CT, ordered by key, and the number of images in no such series.

    A series of fewer than three images, or without a single image that has a place in space, is none. One
    series whose images lie on top of each other is parted by acquisition where that puts them in order
    (phases of a 4D CT, scans before and after contrast).
    """
    by_uid: dict[str, list[CtSlice]] = defaultdict(list)
    for one in slices:
        by_uid[one.series_uid].append(one)
    series = [part for uid, members in by_uid.items() for part in _parted(uid, members)]
    series = [one for one in series if len(one.slices) >= MIN_SLICES and any(s.place for s in one.slices)]
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


def describe(series: Series, tolerance_mm: float) -> str:
    """A series in words, without anything that identifies a person: key, slices, size, spacing, fault."""
    first = series.slices[0]
    text = f"{series.key}: {len(series.slices)} slices of {first.rows} x {first.columns}"
    try:
        slices, grid = stack(series.slices, tolerance_mm)
    except Refused as refused:
        return f"{text}, unusable ({refused.reason.code.replace('_', ' ')})"
    planes = planes_of(slices, grid)
    wide = max(np.diff(planes)) * grid.spacing_mm[0]
    text += f", spacing {by(grid.spacing_mm, '.4g')} mm"
    return text if len(planes) == grid.shape[0] else f"{text}, some slices up to {wide:.4g} mm apart"


def _data_set(path: Path) -> bytes:
    """The bytes of a file without preamble and prefix."""
    content = path.read_bytes()
    return content[prefix_length(content) :]


def _parted(uid: str, members: list[CtSlice]) -> list[Series]:
    whole = [Series(_key(uid), tuple(members), uid)]
    if not _overlaps(members):
        return whole
    by_acquisition: dict[str, list[CtSlice]] = defaultdict(list)
    for one in members:
        by_acquisition[one.acquisition].append(one)
    parts = list(by_acquisition.items())
    if any(_overlaps(part) or len(part) < MIN_SLICES for _, part in parts):
        return whole
    return [Series(_key(f"{uid} {acquisition}"), tuple(part), uid) for acquisition, part in parts]


def _overlaps(members: Sequence[CtSlice]) -> bool:
    """Whether two different images lie at one place."""
    places = {one.sop_uid: np.round(one.place.position_mm, 2).tolist() for one in members if one.place}
    return len({str(place) for place in places.values()}) < len(places)


def _key(text: str) -> str:
    # The leading letter keeps YAML from reading a key of digits as a number.
    return "s" + hashlib.sha256(text.encode()).hexdigest()[:KEY_CHARACTERS]
