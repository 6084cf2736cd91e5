"""Refusals and notes about the series and structure sets of a folder, in words."""

import json
from collections.abc import Iterator, Sequence

from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.series import Series
from lunggtv.ingest.dicom.series_facts import describe
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


def several_sets(sets: Sequence[StructureSet]) -> Refused:
    """More than one structure set with a GTV."""
    found = "; ".join(f"{one.name} has {listed_names([roi.name for roi in one.drawn])}" for one in sets)
    return Refused(
        "several_rtstructs",
        f"{len(sets)} RTSTRUCTs have a GTV: {found}. Keep the right one in the folder, or make "
        "ingest.roi_patterns narrower.",
    )


def undecided(patient: str, series: Sequence[Series], settings: DicomSettings) -> Refused:
    """More than one series."""
    return Refused(
        "several_series",
        f"{len(series)} CT series and nothing says which one to take: {listing(series, settings)}. Pin one in the "
        f"config, as data: series: {example(patient, series)}, or say for all patients what to prefer, in "
        "data.prefer_series.",
    )


def example(patient: str, series: Sequence[Series]) -> str:
    """An entry of ``data.series``."""
    return json.dumps({patient: series[0].key}, ensure_ascii=False)


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
