"""Which CT series and which structure set a patient is read from, and the refusals where nothing decides."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lunggtv.ingest.dicom.choice_words import (
    example,
    left_out,
    listed_names,
    listing,
    quoted,
    several_sets,
    undecided,
)
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.segment_frames import SegmentFrames
from lunggtv.ingest.dicom.series import Series, phase_named
from lunggtv.ingest.dicom.series_facts import describe, preferred
from lunggtv.ingest.dicom.structure_set import StructureSet
from lunggtv.ingest.raw_scan import NOTED, Reason, Refused

PROVED = "Its contours lie on the slices of the CT and inside the body. Check that the tumour lies where it is drawn."


@dataclass(frozen=True)
class Choice:
    """What a patient is read from.

    Attributes:
        series: the series taken.
        structure_set: the label; None if a segmentation or another file is it, or there is none.
        unproved: why nothing but geometry can say that the two belong together; None where their ids say so.
        notes: what else to tell the user.
        segments: the label, where a segmentation is it.
    """

    series: Series
    structure_set: StructureSet | None
    unproved: Reason | None = None
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
    if settings.series is not None:
        choice = _labelled_on(_pinned(patient, series, settings), drawn)
    else:
        choice = _labelled_by_reference(patient, series, drawn, settings)
    others = [note for one in drawn if one is choice.structure_set for note in left_out(one, sets)]
    choice = _phase(choice, [one for one in drawn if one is choice.structure_set])
    return replace(choice, notes=(*choice.notes, *others))


def _labelled_by_reference(
    patient: str, series: Sequence[Series], sets: Sequence[StructureSet], settings: DicomSettings
) -> Choice:
    usable = [(one, found) for one in sets if (found := _referred(one, series))]
    related = [(one, found) for one in sets if (found := _of_same_frame(one, series))]
    if not usable and not related:
        raise Refused(
            "series_absent",
            f"{sets[0].name} refers to a CT series that is not in the folder. Add the planning CT it was drawn on; "
            f"here are {listing(series, settings)}. If it was drawn on one of these and its ids were replaced, "
            f"pin that one under data.series, as {example(patient, series)}.",
        )
    if len(usable or related) > 1:
        raise several_sets([one for one, _ in usable or related])
    structure_set, found = (usable or related)[0]
    taken, notes = _only(patient, found, settings)
    unproved = None if usable else _another_series(structure_set, taken)
    if usable and not _names_images(structure_set):
        if len(found) > 1:
            unproved = _names_nothing(structure_set, taken, PROVED)
        elif not structure_set.frame_uids:
            notes = (
                *notes,
                _names_nothing(structure_set, taken, "Check that the tumour lies where it is drawn."),
            )
    return Choice(taken, structure_set, unproved, notes)


def choose_unlabelled(
    patient: str, series: Sequence[Series], sets: Sequence[StructureSet], settings: DicomSettings
) -> Choice:
    """The pinned series, the only one, or the one that all structure sets refer to.

    Raises:
        Refused: several series remain.
    """
    if settings.series is not None:
        return _phase(Choice(_pinned(patient, series, settings), None), sets)
    referred = {found.key: found for one in sets if _says_where(one) for found in _referred(one, series)}
    if len(series) > 1 and len(referred) == 1:
        return _phase(Choice(next(iter(referred.values())), None), sets)
    taken, notes = _only(patient, series, settings)
    return _phase(Choice(taken, None, notes=notes), sets)


def _phase(choice: Choice, sets: Sequence[StructureSet]) -> Choice:
    """The one phase of a 4D CT in one series that the structure sets name, all its images."""
    named = [phase_named(choice.series, frozenset().union(*one.images.values())) for one in sets]
    phases = {one.sop_uids: one for one in named if one is not None}
    if len(phases) != 1:
        return choice
    phase = next(iter(phases.values()))
    left = len(choice.series.slices) - len(phase.slices)
    note = Reason(
        "phase_by_structure_set",
        f"the CT series holds several images at each place, as phases of a 4D CT; those that the structure set names "
        f"were taken, {left} others left out.",
        NOTED,
    )
    return replace(choice, series=phase, notes=(*choice.notes, note))


def _only(
    patient: str, series: Sequence[Series], settings: DicomSettings
) -> tuple[Series, tuple[Reason, ...]]:
    """The one series, or the one that ``data.prefer_series`` prefers; Refused if there is none."""
    if len(series) == 1:
        return series[0], ()
    taken = preferred(series, settings.prefer_series)
    if taken is None:
        raise undecided(patient, series, settings)
    text = (
        f"of {len(series)} CT series data.prefer_series chose {describe(taken, settings.slice_tolerance_mm)}."
    )
    return taken, (Reason("preferred_series", text, NOTED),)


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
        empty_names = ", ".join(quoted(roi.name) for roi in empty[0].gtv)
        raise Refused(
            "empty_roi",
            f"{empty[0].name}: {empty_names} has no closed contour. Export the structure set with its contours, or "
            "let ingest.roi_patterns name another ROI.",
        )
    found = "; ".join(f"{one.name} has {listed_names(one.roi_names)}" for one in sets)
    patterns = ", ".join(quoted(pattern) for pattern in settings.roi_patterns)
    raise Refused(
        "no_matching_roi",
        f"no ROI is named as ingest.roi_patterns ({patterns}) asks: {found}. Add a pattern.",
    )


def _labelled_on(pinned: Series, sets: Sequence[StructureSet]) -> Choice:
    """The structure set of a pinned series: by its images, else by its frame of reference, else the only one."""
    for candidates in (
        [one for one in sets if _referred(one, [pinned])],
        [one for one in sets if _of_same_frame(one, [pinned])],
        sets,
    ):
        if len(candidates) > 1:
            raise several_sets(candidates)
        if candidates:
            break
    taken = candidates[0]
    if _referred(taken, [pinned]):
        return Choice(pinned, taken, None if _names_images(taken) else _names_nothing(taken, pinned, PROVED))
    if _of_same_frame(taken, [pinned]):
        return Choice(pinned, taken, _another_series(taken, pinned))
    return Choice(
        pinned,
        taken,
        Reason(
            "pinned_series_not_referenced",
            f"{taken.name} names neither the images nor the frame of reference of series {pinned.key}, which "
            f"data.series pins. {PROVED}",
        ),
    )


def _names_nothing(structure_set: StructureSet, taken: Series, text: str) -> Reason:
    return Reason(
        "structure_set_names_no_images",
        f"{structure_set.name} does not name the images that it was drawn on; series {taken.key} was taken. {text}",
    )


def _another_series(structure_set: StructureSet, taken: Series) -> Reason:
    return Reason(
        "drawn_on_another_series",
        f"{structure_set.name} was drawn on another series than {taken.key}, which was taken; both have the same frame "
        f"of reference. {PROVED}",
    )


def _pinned(patient: str, series: Sequence[Series], settings: DicomSettings) -> Series:
    for one in series:
        if one.key == settings.series:
            return one
    raise Refused(
        "pinned_series_absent",
        f"data.series pins {settings.series} for patient {patient}, but the folder holds "
        f"{listing(series, settings)}.",
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
        return _of_same_frame(structure_set, series)
    return list(series)


def _of_same_frame(structure_set: StructureSet, series: Sequence[Series]) -> list[Series]:
    return [one for one in series if one.frame_uids & structure_set.frame_uids]
