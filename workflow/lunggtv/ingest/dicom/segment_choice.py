"""Which segmentation is the label where no structure set has a GTV, and what is said of those that are not used."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lunggtv.ingest.dicom.choice import Choice, choice_of_phase, choose_unlabelled, pinned_series
from lunggtv.ingest.dicom.choice_words import check_one_scan, example, listed_names, listing, one_of
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.listed_images import check_frames
from lunggtv.ingest.dicom.segment_frames import SegmentFrames, read_frames
from lunggtv.ingest.dicom.segmentation import Segmentation, quoted
from lunggtv.ingest.dicom.series import Series, phase_named
from lunggtv.ingest.dicom.structure_set import StructureSet
from lunggtv.ingest.raw_scan import NOTED, WARNED, Reason, Refused


def choose_segments(
    patient: str,
    series: Sequence[Series],
    segmentations: Sequence[Segmentation],
    sets: Sequence[StructureSet],
    settings: DicomSettings,
) -> Choice:
    """The segmentation with a GTV, and the series it was drawn on.

    Args:
        sets: structure sets of the folder, none with a GTV.

    Raises:
        Refused: several segmentations have a GTV on the CT, the images they were drawn on are not there, not those of
            the pinned series or others than the file lists, or several series remain.
    """
    drawn = [read_frames(one) for one in segmentations if one.gtv]
    known = list(reversed({one.digest: one for one in reversed(drawn)}.values()))
    pinned = None if settings.series is None else pinned_series(patient, series, settings)
    usable = _usable(known, series, pinned)
    if not usable and pinned is None:
        raise Refused(
            "segmentation_of_other_images",
            f"{drawn[0].name} refers to images that are not those of a CT series in the folder. Add the planning CT "
            "that it was drawn on. If it was drawn on one that is here and its ids were replaced, pin that one under "
            f"data.series, as {example(patient, series, settings)}; here are {listing(series, settings)}.",
        )
    unproved = not usable
    usable = usable or [(one, list(series)) for one in known]
    if len(usable) > 1:
        found = [(f"{one.name} has {quoted(one.segments)}", on) for one, on in usable]
        text = f"{len(usable)} segmentations have a GTV: {one_of(found)}"
        raise Refused("several_segmentations", text)
    taken, on = usable[0]
    check_frames(taken, series)
    check_one_scan(taken.name, [one for one in on if one.sop_uids & taken.frame_images], settings)
    choice = choose_unlabelled(patient, series if pinned else on, (), settings)
    # The file names all images of a phase, its frames those with a tumour.
    for named in (taken.images, taken.image_uids):
        if phase := phase_named(choice.series, named):
            choice = choice_of_phase(choice, phase, "segmentation")
            break
    if choice.series.key not in {one.key for one in on}:
        raise Refused(
            "segmentation_of_other_images",
            f"data.series pins {choice.series.key}, but {taken.name} was drawn on other images. Pin the series that it "
            f"was drawn on.{_or_another(taken, known, series, choice.series.key)}",
        )
    left = [one for one in known if one is not taken]
    others = [one for one in segmentations if one.name not in {taken.name, *(one.name for one in left)}]
    notes = [*_gtv_left_out(left, taken), *segments_left_out(others, taken.name), *_sets_left_out(sets)]
    told = _pinned_alone(taken, choice.series) if unproved else None
    return replace(choice, segments=taken, unproved=told, notes=(*choice.notes, *notes))


def the_one_segmented(taken: SegmentFrames, series: Sequence[Series]) -> Series | None:
    """The series whose images the frames of a segmentation name, if it is one alone."""
    found = [one for one in series if one.sop_uids & taken.frame_images]
    return found[0] if len(found) == 1 else None


def _pinned_alone(taken: SegmentFrames, series: Series) -> Reason:
    return Reason(
        "pinned_series_not_referenced",
        f"{taken.name} does not name the images of series {series.key}, which data.series pins. "
        "It lies on the CT's voxels and inside the body. Check that the tumour lies where it is drawn.",
    )


def _or_another(
    taken: SegmentFrames, known: Sequence[SegmentFrames], series: Sequence[Series], key: str
) -> str:
    """What else to do where other segmentations name no images of the folder: they may be the pinned series'."""
    others = " or ".join(one.name for one in known if not _drawn_on(one, series))
    if not others:
        return ""
    return f" If {others} was drawn on {key} and its ids were replaced, take {taken.name} out of the folder."


def _gtv_left_out(left: Sequence[SegmentFrames], taken: SegmentFrames) -> Iterator[Reason]:
    for one in left:
        text = (
            f"{one.name} has a GTV too, {quoted(one.segments)}, but refers to other images than {taken.name}, which "
            "was taken. Check that this is the right one."
        )
        yield Reason("other_gtv_left_out", text)


def segments_left_out(segmentations: Sequence[Segmentation], taken: str) -> Iterator[Reason]:
    """Segmentations that are not the label, each with its segments."""
    for one in segmentations:
        text = f"{one.name}, a segmentation, was not used: the label is that of {taken}. It has {_segments(one)}."
        yield Reason("other_segmentation", text, NOTED)


def left_beside_mask(
    label: str, sets: Sequence[StructureSet], segmentations: Sequence[Segmentation], taken: str, among: int
) -> Iterator[Reason]:
    """What is said of GTVs in DICOM files, and of other series, where a mask file is the label.

    Args:
        label: name of the mask file.
        taken: key of the series taken, ``among`` so many.
    """
    if among > 1:
        yield Reason(
            "mask_among_series",
            f"{label} does not say on which of {among} CT series it was drawn; {taken} was taken. Pin the right one "
            "under data.series.",
        )
    found = [(one.name, [roi.name for roi in one.drawn]) for one in sets if one.drawn]
    found += [(one.name, [segment.name for segment in one.gtv]) for one in segmentations if one.gtv]
    for name, gtv in found:
        text = (
            f"{name} has a GTV too, {listed_names(gtv)}, but {label} was taken, which lies where data.label says. "
            "Check that this is the right one."
        )
        yield Reason("other_gtv_left_out", text)


def without_gtv(refused: Refused, segmentations: Sequence[Segmentation]) -> Refused:
    """A refusal for want of a GTV in structure sets that names what the segmentations of the folder hold."""
    if not segmentations or refused.reason.code not in ("no_rtstruct", "no_matching_roi", "empty_roi"):
        return refused
    found = "; ".join(f"{one.name} has {_segments(one)}" for one in segmentations)
    text = f"{refused.reason.text} No segment is named as ingest.roi_patterns asks either: {found}."
    return Refused(refused.reason.code, text)


def _usable(
    known: Sequence[SegmentFrames], series: Sequence[Series], pinned: Series | None
) -> list[tuple[SegmentFrames, list[Series]]]:
    """The segmentations drawn on series of the folder, and on which; of a pinned one only its own, if it has any.

    If it has none, one of another series stands for all: it cannot be taken, but named.
    """
    usable = [(one, on) for one in known if (on := _drawn_on(one, series))]
    if pinned is None:
        return usable
    return [(one, on) for one, on in usable if _drawn_on(one, [pinned])] or usable[:1]


def _drawn_on(found: SegmentFrames, series: Sequence[Series]) -> list[Series]:
    """The series whose images a segmentation names, else the one it names, else those of its frame of reference."""
    if found.image_uids:
        return [one for one in series if one.sop_uids & found.image_uids]
    if found.series:
        return [one for one in series if one.uid in found.series]
    if found.frame_uid:
        return [one for one in series if not one.frame_uids or found.frame_uid in one.frame_uids]
    return list(series)


def _sets_left_out(sets: Sequence[StructureSet]) -> Iterator[Reason]:
    for one in sets:
        similar = bool(one.like_gtv or one.gtv)
        text = (
            f"{one.name} was not used: none of its ROIs with a closed contour is named as ingest.roi_patterns asks; it "
            f"has {listed_names(one.roi_names)}"
        )
        text += ". Check that the GTV is not in it." if similar else "."
        yield Reason("other_rtstruct", text, WARNED if similar else NOTED)


def _segments(one: Segmentation) -> str:
    return listed_names([segment.name for segment in one.segments])
