"""The refusals of a GTV that names other images than the file it stands in lists: drawn on another phase or series."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from lunggtv.ingest.dicom.choice_words import listed_names
from lunggtv.ingest.dicom.references import rois_of_other_images
from lunggtv.ingest.dicom.segment_frames import SegmentFrames
from lunggtv.ingest.dicom.series import Series, places_of
from lunggtv.ingest.dicom.structure_set import StructureSet
from lunggtv.ingest.raw_scan import Refused


def check_contours(
    structure_set: StructureSet, series: Sequence[Series], taken: Series, phase: Series
) -> None:
    """Refuse contours of another phase or series than the structure set lists.

    Args:
        series: all of the folder.
        taken: the one it was drawn on.
        phase: those images of it that the set names, where it holds several at each place.

    Raises:
        Refused: the contours name images of the folder, none of which the set lists though it lists others; or
            images of another phase.
    """
    rois = structure_set.drawn
    named = frozenset().union(*(roi.image_uids for roi in rois))
    left = taken.sop_uids - phase.sop_uids
    elsewhere = [roi for roi in rois_of_other_images(structure_set, phase.sop_uids) if roi.image_uids & left]
    if unlisted := _unlisted(structure_set.images, named, series):
        elsewhere = [roi for roi in rois if roi.image_uids & unlisted]
    if elsewhere:
        names = listed_names([roi.name for roi in elsewhere])
        raise _of_another(structure_set.name, f"contours of {names}", narrower=len(elsewhere) < len(rois))


def check_frames(found: SegmentFrames, series: Sequence[Series]) -> None:
    """Refuse frames of another phase or series than the segmentation lists.

    Args:
        series: all of the folder.

    Raises:
        Refused: the frames name images of the folder, none of which the file lists though it lists others.
    """
    unlisted = _unlisted(dict.fromkeys(found.series or {""}, found.images), found.frame_images, series)
    if unlisted:
        elsewhere = (frame.segment.name for frame in found.frames if frame.images & unlisted)
        names = listed_names(list(dict.fromkeys(elsewhere)))
        raise _of_another(found.name, f"frames of {names}", narrower=False)


def _unlisted(
    images: Mapping[str, frozenset[str]], named: frozenset[str], series: Sequence[Series]
) -> frozenset[str]:
    """The images in ``named`` that the folder holds, if a list of images by series holds others of it and none of them.

    A series without a list of its images is listed whole. Where the list has any of them there is no contradiction:
    it may hold all phases, or a CT and a PET. A list may leave out images of its own series.
    """
    here: dict[str, frozenset[str]] = defaultdict(frozenset)
    for one in series:
        here[one.uid] |= one.sop_uids
    listed = frozenset().union(*(some or here[uid] for uid, some in images.items()))
    own = frozenset().union(*(_beside(one, listed) for one in series))
    return named & frozenset().union(*here.values()) if own and not named & own else frozenset()


def _beside(series: Series, listed: frozenset[str]) -> frozenset[str]:
    """The images of a series that are listed, and those that lie where none of them lies; none if none is listed."""
    some = series.sop_uids & listed
    places = places_of([one for one in series.slices if one.sop_uid in some])
    others = (one.sop_uid for one in series.slices if some and not places & places_of([one]))
    return some.union(others)


def _of_another(name: str, what: str, narrower: bool) -> Refused:
    ways = " Leave in the folder the images alone that the GTV was drawn on"
    ways += ", or make ingest.roi_patterns narrower." if narrower else "."
    return Refused(
        "contours_of_another_phase",
        f"the folder holds several scans, as phases of a 4D CT. {name} lists the images of one of them, but {what} "
        f"name images of another one.{ways}",
    )
