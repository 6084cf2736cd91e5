"""Refusals and notes about the series and structure sets of a folder, in words."""

import json
from collections.abc import Iterator, Sequence
from itertools import permutations

from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.left_out_slices import continues
from lunggtv.ingest.dicom.references import referred
from lunggtv.ingest.dicom.series import Series
from lunggtv.ingest.dicom.series_facts import describe, is_usable
from lunggtv.ingest.dicom.structure_set import StructureSet
from lunggtv.ingest.raw_scan import NOTED, WARNED, Reason, Refused
from lunggtv.wording import few

MAX_NAMES = 60  # ROI names listed in a refusal


def left_out(taken: StructureSet, sets: Sequence[StructureSet]) -> Iterator[Reason]:
    """What was in the other structure sets of the folder; a GTV in them, or a later date, is a reason to look."""
    for one in sets:
        if one.digest == taken.digest:
            continue
        if one.drawn:
            names = listed_names([roi.name for roi in one.drawn])
            text = (
                f"{one.name} has a GTV too, {names}, but refers to other images than {taken.name}, which was taken. "
                "Check that this is the right one."
            )
            yield Reason("other_gtv_left_out", text)
            continue
        dated = bool(taken.written and one.written)
        newer = dated and taken.written < one.written
        similar = not dated and bool(one.like_gtv or one.gtv)
        text = (
            f"{one.name} was not used: none of its ROIs with a closed contour is named as ingest.roi_patterns asks; it "
            f"has {listed_names(one.roi_names)}"
        )
        if newer:
            text += f". It is newer than {taken.name}: check that the GTV is not in it"
        elif similar:
            text += f", and may be newer than {taken.name}: check that the GTV is not in it"
        yield Reason("other_rtstruct", f"{text}.", WARNED if newer or similar else NOTED)


def several_sets(sets: Sequence[StructureSet], series: Sequence[Series]) -> Refused:
    """More than one structure set with a GTV, in a folder with these series."""
    found = [
        (f"{one.name} has {listed_names([roi.name for roi in one.drawn])}", referred(one, series))
        for one in sets
    ]
    return Refused("several_rtstructs", f"{len(sets)} RTSTRUCTs have a GTV: {one_of(found)}")


def one_of(found: Sequence[tuple[str, Sequence[Series]]]) -> str:
    """Files with a GTV and what to do: files in words, each with the series that it was drawn on."""
    common = set.intersection(*({one.key for one in on} for _, on in found))
    if common or not all(on for _, on in found):
        listed = "; ".join(words for words, _ in found)
        return f"{listed}. Keep the right one in the folder, or make ingest.roi_patterns narrower."
    listed = "; ".join(f"{words}, drawn on {' and '.join(map(_from, on))}" for words, on in found)
    return (
        f"{listed}. They were drawn on different CTs. If these are of several people, give each a folder of their own; "
        "if they are of one, pin the right series under data.series."
    )


def _from(series: Series) -> str:
    return f"{series.key} (from {min(one.name for one in series.slices)} on)"


def undecided(patient: str, series: Sequence[Series], settings: DicomSettings) -> Refused:
    """More than one series."""
    parts = " Some of them go on with one another: if they are one scan, export it as one series."
    return Refused(
        "several_series",
        f"{len(series)} CT series and nothing says which one to take: {listing(series, settings)}. Pin one in the "
        f"config, as data: series: {example(patient, series, settings)}, or say for all patients what to prefer, in "
        f"data.prefer_series.{parts if _are_parts(series) else ''}",
    )


def check_one_scan(name: str, series: Sequence[Series], settings: DicomSettings) -> None:
    """Raise Refused where a GTV names images of several series, and these are parts of one scan: no pin helps then.

    Args:
        name: of the file with the GTV.
        series: those whose images it names.
    """
    if _are_parts(series):
        raise Refused(
            "ct_in_parts",
            f"the GTV in {name} was drawn on {len(series)} CT series that go on with one another, as where one scan "
            f"was exported as several series: {listing(series, settings)}. Export it as one series.",
        )


def _are_parts(series: Sequence[Series]) -> bool:
    return any(continues(one, other) for one, other in permutations(series, 2))


def example(patient: str, series: Sequence[Series], settings: DicomSettings) -> str:
    """An entry of ``data.series``, of a series that can be read if there is one."""
    usable = (one for one in series if is_usable(one, settings.slice_tolerance_mm))
    return json.dumps({patient: next(usable, series[0]).key}, ensure_ascii=False)


def listing(series: Sequence[Series], settings: DicomSettings) -> str:
    """Series in words."""
    listed = "; ".join(describe(one, settings.slice_tolerance_mm) for one in series)
    return listed or "no CT series"


def listed_names(names: Sequence[str]) -> str:
    """Names of ROIs, each in quotes."""
    return few([quoted(name) for name in names], MAX_NAMES) or "no ROI"


def quoted(name: str) -> str:
    """A name in quotes."""
    return f"'{name}'"
