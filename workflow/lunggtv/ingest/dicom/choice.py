"""Which CT series and which structure set a patient is read from, and the refusals where nothing decides."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.segment_frames import SegmentFrames
from lunggtv.ingest.dicom.series import Series, describe
from lunggtv.ingest.dicom.structure_set import StructureSet
from lunggtv.ingest.raw_scan import NOTED, WARNED, Reason, Refused
from lunggtv.wording import few

MAX_NAMES = 60  # ROI names listed in a refusal


@dataclass(frozen=True)
class Choice:
    """The series taken, the structure set or segmentation (None if another file or none is the label), and what to tell
    the user."""

    series: Series
    structure_set: StructureSet | None
    notes: tuple[Reason, ...] = ()
    segments: SegmentFrames | None = None


def choose_labelled(
    patient: str, series: Sequence[Series], sets: Sequence[StructureSet], settings: DicomSettings
) -> Choice:
    """The structure set with a GTV, and the series it was drawn on (or the pinned one).

    Raises:
        Refused: no structure set, no GTV in it, a GTV without contours, several structure sets with a GTV,
            the series it refers to is not there, or several series remain.
    """
    drawn = _with_gtv(sets, settings)
    notes: list[Reason] = []
    if settings.series is not None:
        taken = _pinned(patient, series, settings)
        structure_set, notes = _labelled_on(taken, drawn)
    else:
        taken, structure_set = _labelled_by_reference(patient, series, drawn, settings)
    return Choice(taken, structure_set, (*notes, *_left_out(structure_set, sets)))


def _labelled_by_reference(
    patient: str, series: Sequence[Series], sets: Sequence[StructureSet], settings: DicomSettings
) -> tuple[Series, StructureSet]:
    referred = [(one, _referred(one, series)) for one in sets]
    usable = [(one, found) for one, found in referred if found]
    if not usable:
        raise Refused(
            "series_absent",
            f"{sets[0].name} refers to a CT series that is not in the folder. Add the planning CT it was "
            f"drawn on; here are {_listing(series, settings)}.",
        )
    if len(usable) > 1:
        raise _several_sets([one for one, _ in usable])
    structure_set, found = usable[0]
    if len(found) > 1:
        raise _undecided(patient, found, settings)
    return found[0], structure_set


def choose_unlabelled(
    patient: str, series: Sequence[Series], sets: Sequence[StructureSet], settings: DicomSettings
) -> Choice:
    """The pinned series, the only one, or the one that all structure sets refer to.

    Raises:
        Refused: several series remain.
    """
    if settings.series is not None:
        return Choice(_pinned(patient, series, settings), None)
    if len(series) == 1:
        return Choice(series[0], None)
    referred = {found.key: found for one in sets if _says_where(one) for found in _referred(one, series)}
    if len(referred) == 1:
        return Choice(next(iter(referred.values())), None)
    raise _undecided(patient, series, settings)


def _with_gtv(sets: Sequence[StructureSet], settings: DicomSettings) -> list[StructureSet]:
    if not sets:
        raise Refused(
            "no_rtstruct",
            "no RTSTRUCT in the folder. A labelled patient needs the structure set of the planning CT; a "
            "patient without one belongs into data.unlabelled.",
        )
    drawn = {one.digest: one for one in reversed(sets) if one.drawn}
    if drawn:
        return list(reversed(drawn.values()))
    empty = [one for one in sets if one.gtv]
    if empty:
        names = ", ".join(_quoted(roi.name) for roi in empty[0].gtv)
        raise Refused(
            "empty_roi",
            f"{empty[0].name}: {names} has no closed contour. Export the structure set with its contours, or "
            "let ingest.roi_patterns name another ROI.",
        )
    found = "; ".join(f"{one.name} has {_names(one.roi_names)}" for one in sets)
    patterns = ", ".join(_quoted(pattern) for pattern in settings.roi_patterns)
    raise Refused(
        "no_matching_roi",
        f"no ROI is named as ingest.roi_patterns ({patterns}) asks: {found}. Add a pattern.",
    )


def _labelled_on(pinned: Series, sets: Sequence[StructureSet]) -> tuple[StructureSet, list[Reason]]:
    usable = [one for one in sets if _referred(one, [pinned])]
    if len(usable) == 1:
        return usable[0], []
    if len(usable) > 1:
        raise _several_sets(usable)
    same_frame = [one for one in sets if pinned.frame_uid and pinned.frame_uid in one.frame_uids]
    if len(same_frame) > 1:
        raise _several_sets(same_frame)
    if not same_frame:
        raise Refused(
            "pinned_series_unrelated",
            f"data.series pins {pinned.key}, but no RTSTRUCT with a GTV refers to it or to its frame of "
            "reference.",
        )
    note = Reason(
        "pinned_series_not_referenced",
        f"{same_frame[0].name} was drawn on another series than {pinned.key}, which data.series pins; "
        "both have the same frame of reference. Check that the tumour lies where it is drawn.",
    )
    return same_frame[0], [note]


def _left_out(taken: StructureSet, sets: Sequence[StructureSet]) -> Iterator[Reason]:
    """What was in the other structure sets of the folder; a GTV in them, or a later date, is a reason to look."""
    for one in sets:
        if one.digest == taken.digest:
            continue
        if one.drawn:
            names = _names([roi.name for roi in one.drawn])
            text = (
                f"{one.name} has a GTV too, {names}, but refers to other images than {taken.name}, which was taken. "
                "Check that this is the right one."
            )
            yield Reason("other_gtv_left_out", text)
            continue
        dated = bool(taken.written and one.written)
        newer = dated and taken.written < one.written
        similar = not dated and any("gtv" in name.casefold() for name in one.roi_names)
        text = (
            f"{one.name} was not used: none of its ROIs with a closed contour is named as ingest.roi_patterns asks; it "
            f"has {_names(one.roi_names)}"
        )
        if newer:
            text += f". It is newer than {taken.name}: check that the GTV is not in it"
        elif similar:
            text += f", and may be newer than {taken.name}: check that the GTV is not in it"
        yield Reason("other_rtstruct", f"{text}.", WARNED if newer or similar else NOTED)


def _pinned(patient: str, series: Sequence[Series], settings: DicomSettings) -> Series:
    for one in series:
        if one.key == settings.series:
            return one
    raise Refused(
        "pinned_series_absent",
        f"data.series pins {settings.series} for patient {patient}, but the folder holds "
        f"{_listing(series, settings)}.",
    )


def _names_images(structure_set: StructureSet) -> bool:
    return bool(structure_set.images or structure_set.image_uids)


def _says_where(structure_set: StructureSet) -> bool:
    return _names_images(structure_set) or bool(structure_set.frame_uids)


def _referred(structure_set: StructureSet, series: Sequence[Series]) -> list[Series]:
    """The series a structure set was drawn on.

    By the images its contours name, else by the series it names, else by frame of reference. A structure
    set that names nothing at all may be drawn on any series.
    """
    by_image = [one for one in series if one.sop_uids & structure_set.image_uids]
    if by_image:
        return by_image
    if _names_images(structure_set):
        return [one for one in series if one.uid in structure_set.images]
    if structure_set.frame_uids:
        return [one for one in series if one.frame_uid in structure_set.frame_uids]
    return list(series)


def _several_sets(sets: Sequence[StructureSet]) -> Refused:
    found = "; ".join(f"{one.name} has {_names([roi.name for roi in one.drawn])}" for one in sets)
    return Refused(
        "several_rtstructs",
        f"{len(sets)} RTSTRUCTs have a GTV: {found}. Keep the right one in the folder, or make "
        "ingest.roi_patterns narrower.",
    )


def _undecided(patient: str, series: Sequence[Series], settings: DicomSettings) -> Refused:
    example = json.dumps({patient: series[0].key}, ensure_ascii=False)
    return Refused(
        "several_series",
        f"{len(series)} CT series and nothing says which one to take: {_listing(series, settings)}. Pin one "
        f"in the config, as data: series: {example}",
    )


def _listing(series: Sequence[Series], settings: DicomSettings) -> str:
    listed = "; ".join(describe(one, settings.slice_tolerance_mm) for one in series)
    return listed or "no CT series"


def _names(names: Sequence[str]) -> str:
    return few([_quoted(name) for name in names], MAX_NAMES) or "no ROI"


def _quoted(name: str) -> str:
    return f"'{name}'"
