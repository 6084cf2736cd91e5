"""Which CT series and which structure set a patient is read from, and the refusals where nothing decides."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lunggtv.ingest.dicom.choice_words import (
    check_one_scan,
    example,
    left_out,
    listed_names,
    listing,
    quoted,
    several_sets,
    undecided,
)
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.listed_images import check_contours
from lunggtv.ingest.dicom.people import people_in, share_an_id
from lunggtv.ingest.dicom.references import (
    PROVED,
    drawn_on,
    names_images,
    of_same_frame,
    referred,
    says_where,
    without_frame,
)
from lunggtv.ingest.dicom.segment_frames import SegmentFrames
from lunggtv.ingest.dicom.series import Series, phase_named
from lunggtv.ingest.dicom.series_facts import describe, preferred
from lunggtv.ingest.dicom.structure_set import StructureSet
from lunggtv.ingest.raw_scan import NOTED, Reason, Refused


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
            the series it refers to is not there, several series remain, or contours of other images than it lists.
    """
    drawn = _with_gtv(sets, settings)
    if settings.series is not None:
        choice = _labelled_on(pinned_series(patient, series, settings), series, drawn, settings)
    else:
        choice = _labelled_by_reference(patient, series, drawn, settings)
    taken = choice.structure_set
    assert taken is not None
    phase = _phase(choice, [taken])
    check_contours(taken, series, choice.series, phase.series)
    return replace(phase, notes=(*phase.notes, *left_out(taken, sets)))


def _labelled_by_reference(
    patient: str, series: Sequence[Series], sets: Sequence[StructureSet], settings: DicomSettings
) -> Choice:
    for claim in (referred, of_same_frame, without_frame):
        usable = [(one, found) for one in sets if (found := claim(one, series))]
        if usable:
            break
    else:
        raise Refused(
            "series_absent",
            f"{sets[0].name} refers to a CT series that is not in the folder. Add the planning CT it was drawn on; "
            f"here are {listing(series, settings)}. If it was drawn on one of these and its ids were replaced, "
            f"pin that one under data.series, as {example(patient, series, settings)}.",
        )
    if len(usable) > 1:
        raise several_sets([one for one, _ in usable], series)
    structure_set, found = usable[0]
    _check_one_scan(structure_set, found, settings)
    taken, notes = _only(patient, found, settings)
    if claim is of_same_frame:
        return Choice(taken, structure_set, _another_series(structure_set, taken), notes)
    if claim is without_frame or (len(found) > 1 and not drawn_on(structure_set, taken)):
        return Choice(taken, structure_set, _names_nothing(structure_set, taken, PROVED), notes)
    if not says_where(structure_set):
        told = _names_nothing(structure_set, taken, "Check that the tumour lies where it is drawn.")
        notes = (*notes, told)
    return Choice(taken, structure_set, None, notes)


def choose_unlabelled(
    patient: str, series: Sequence[Series], sets: Sequence[StructureSet], settings: DicomSettings
) -> Choice:
    """The pinned series, the only one, or the one that all structure sets refer to.

    Raises:
        Refused: several series remain.
    """
    if settings.series is not None:
        return _phase(Choice(pinned_series(patient, series, settings), None), sets)
    named = {found.key: found for one in sets if says_where(one) for found in referred(one, series)}
    if len(series) > 1 and len(named) == 1:
        return _phase(Choice(next(iter(named.values())), None), sets)
    taken, notes = _only(patient, series, settings)
    return _phase(Choice(taken, None, notes=notes), sets)


def _phase(choice: Choice, sets: Sequence[StructureSet]) -> Choice:
    """The one phase of a 4D CT in one series that the structure sets name, all its images."""
    named = [phase_named(choice.series, frozenset().union(*one.images.values())) for one in sets]
    phases = list({one.sop_uids: one for one in named if one is not None}.values())
    return choice_of_phase(choice, phases[0], "structure set") if len(phases) == 1 else choice


def choice_of_phase(choice: Choice, phase: Series, by: str) -> Choice:
    """The choice with one phase of its series alone, which a label file of the kind ``by`` names; noted."""
    left = len(choice.series.slices) - len(phase.slices)
    note = Reason(
        "phase_by_structure_set",
        f"the CT series holds several images at each place, as phases of a 4D CT; those that the {by} names "
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


def _labelled_on(
    pinned: Series, series: Sequence[Series], sets: Sequence[StructureSet], settings: DicomSettings
) -> Choice:
    """The structure set of a pinned series: by its images, else by its frame of reference, else the only one."""
    for candidates in (
        [one for one in sets if pinned in referred(one, series)],
        [one for one in sets if of_same_frame(one, [pinned])],
        sets,
    ):
        if len(candidates) > 1:
            raise several_sets(candidates, series)
        if candidates:
            break
    taken = candidates[0]
    found = referred(taken, series)
    if pinned in found:
        _check_one_scan(taken, found, settings)
        # Of several that it names, as the parts of one series, contours alone say which.
        told = names_images(taken) and (drawn_on(taken, pinned) or len(found) == 1)
        return Choice(pinned, taken, None if told else _names_nothing(taken, pinned, PROVED))
    if of_same_frame(taken, [pinned]):
        return Choice(pinned, taken, _another_series(taken, pinned))
    people, others = people_in([pinned]), people_in(found)
    if people and others and not share_an_id(people, others):
        # Beside a pin nothing else asks whether the two are of one person.
        raise Refused(
            "drawn_elsewhere",
            f"{taken.name} was drawn on {' and '.join(one.key for one in found)}, which has another patient id in its "
            f"header than {pinned.key}, which data.series pins. Give each person a folder of its own.",
        )
    return Choice(
        pinned,
        taken,
        Reason(
            "pinned_series_not_referenced",
            f"{taken.name} names neither the images nor the frame of reference of series {pinned.key}, which "
            f"data.series pins. {PROVED}",
        ),
    )


def _check_one_scan(structure_set: StructureSet, found: Sequence[Series], settings: DicomSettings) -> None:
    check_one_scan(structure_set.name, [one for one in found if drawn_on(structure_set, one)], settings)


def _names_nothing(structure_set: StructureSet, taken: Series, text: str) -> Reason:
    return Reason(
        "structure_set_names_no_images",
        f"{structure_set.name}: the contours of its GTV name no image of series {taken.key}, which was taken. {text}",
    )


def _another_series(structure_set: StructureSet, taken: Series) -> Reason:
    return Reason(
        "drawn_on_another_series",
        f"{structure_set.name} was drawn on another series than {taken.key}, which was taken; both have the same frame "
        f"of reference. {PROVED}",
    )


def pinned_series(patient: str, series: Sequence[Series], settings: DicomSettings) -> Series:
    """The series that ``data.series`` pins; Refused if it is not there."""
    for one in series:
        if one.key == settings.series:
            return one
    raise Refused(
        "pinned_series_absent",
        f"data.series pins {settings.series} for patient {patient}, but the folder holds "
        f"{listing(series, settings)}.",
    )
