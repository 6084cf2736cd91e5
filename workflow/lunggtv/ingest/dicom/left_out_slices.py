"""Images of a folder that continue the stack of the CT taken beyond its ends, and were left out."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from lunggtv.ingest.dicom.grid import COSINE_TOLERANCE, PIXEL_TOLERANCE_MM
from lunggtv.ingest.dicom.headers import CtSlice
from lunggtv.ingest.dicom.series import MIN_SLICES, Series, heights_mm_of
from lunggtv.ingest.raw_scan import WARNED, Reason

ALMOST_A_SLICE = 0.9  # of a slice distance: an image so far beyond an end continues the stack
NEXT_SLICE = 1.5  # slice distances from an image to the next one, none missing between them
NEXT_PART = (
    2.5  # slice distances between an end and the first image that continues it: one slice may be lost there
)
WIDEST = (
    5  # times the slice distance: single images further apart go on with no scan, however far away they begin
)
# Of the shorter of two stacks: if they share more, they are two scans and no halves of one.
COVERED_AGAIN = 0.6
SAME_COLUMN_MM = 1.0  # how far apart across the stack the pixels of one scan may begin
CHECK = "Check that the CT holds the whole of both lungs"


def slices_left_out(taken: Series, slices: Sequence[CtSlice]) -> list[Reason]:
    """What to tell of images that continue the CT: of other acquisitions of its series, or under another series.

    Args:
        slices: all CT images of the folder.
    """
    heights_mm = set(heights_mm_of(taken.slices, taken.slices))
    if len(heights_mm) < MIN_SLICES:
        return []
    low, high = min(heights_mm), max(heights_mm)
    step_mm = (high - low) / (len(heights_mm) - 1)
    # Other scans may lie off by part of a slice.
    far_mm = step_mm * ALMOST_A_SLICE
    sop_uids = taken.sop_uids
    first = next(one for one in taken.slices if one.place)
    by_uid: dict[str, list[CtSlice]] = defaultdict(list)
    for one in slices:
        # An odd image of another series, as a scout, says nothing of the others.
        if one.sop_uid not in sop_uids and (one.series_uid == taken.uid or _is_alike(first, one)):
            by_uid[one.series_uid].append(one)
    reasons = []
    for uid, others in sorted(by_uid.items()):
        beyond = [mm for mm in heights_mm_of(others, taken.slices) if mm < low - far_mm or mm > high + far_mm]
        if not beyond or (uid != taken.uid and not _goes_on(taken, others, (low, high), step_mm)):
            continue
        beyond_mm = max(low - min(beyond), 0) + max(max(beyond) - high, 0)
        much = (
            f"{len(beyond)} images of the others continue it by {beyond_mm:.4g} mm and were left out"
            if len(beyond) > 1
            else f"an image of the others continues it by {beyond_mm:.4g} mm and was left out"
        )
        if uid == taken.uid:
            text = f"the CT series holds several acquisitions and one of them was taken; {much}. {CHECK}."
        else:
            text = (
                f"the folder holds several CT series and one of them was taken; {much}, with pixels of the same size "
                f"and place, as where one scan was exported as several series. {CHECK}; else export it as one series."
            )
        reasons.append(Reason("slices_left_out", text, WARNED))
    return reasons


def continues(one: Series, other: Series) -> bool:
    """Whether images of another series go on with the same scan beyond the ends of a series."""
    heights_mm = heights_mm_of(one.slices, one.slices)
    if len(set(heights_mm)) < 2:
        return False
    low, high = min(heights_mm), max(heights_mm)
    step_mm = (high - low) / (len(set(heights_mm)) - 1)
    first = next(image for image in one.slices if image.place)
    others = [image for image in other.slices if _is_alike(first, image)]
    beyond = [mm for mm in heights_mm_of(others, one.slices) if not low <= mm <= high]
    return bool(beyond) and _goes_on(one, others, (low, high), step_mm)


def _goes_on(taken: Series, others: Sequence[CtSlice], ends_mm: tuple[float, float], step_mm: float) -> bool:
    """Whether images under another series go on with the same scan where the stack ends.

    They may share slices with it, and have other slice distances. If they cover most of it again, they are another scan
    or reconstruction.
    """
    low, high = ends_mm
    heights_mm = np.unique(heights_mm_of(others, taken.slices))
    away_mm = np.maximum(low - heights_mm, heights_mm - high)
    steps_mm = np.diff(heights_mm)
    across = (heights_mm[:-1] <= low) & (heights_mm[1:] >= high)  # from one end of the stack to the other
    wide_mm = max(step_mm, float(np.median(steps_mm[~across]))) if not across.all() else step_mm
    # Where the next of their images is missing, they cover nothing.
    near = (steps_mm <= NEXT_SLICE * wide_mm) & ~across
    inside_mm = np.diff(np.clip(heights_mm, low, high))
    shorter_mm = min(high - low, steps_mm[near].sum())
    covers_again = inside_mm[near].sum() > COVERED_AGAIN * shorter_mm
    return bool(away_mm.min() <= NEXT_PART * min(wide_mm, WIDEST * step_mm)) and not covers_again


def _is_alike(one: CtSlice, other: CtSlice) -> bool:
    """Whether two images have the same pixels, but for their height."""
    if one.place is None or other.place is None:
        return False
    across = np.array(one.place.orientation).reshape(2, 3) @ np.subtract(
        other.place.position_mm, one.place.position_mm
    )
    return bool(
        (one.rows, one.columns) == (other.rows, other.columns)
        and np.abs(np.subtract(one.place.orientation, other.place.orientation)).max() <= COSINE_TOLERANCE
        and np.abs(np.subtract(one.place.pixel_spacing_mm, other.place.pixel_spacing_mm)).max()
        <= PIXEL_TOLERANCE_MM
        and np.abs(across).max() <= SAME_COLUMN_MM
    )
