"""What the reader of DICOM noticed on the way, in words for the verdict."""

from collections.abc import Iterator, Sequence

from lunggtv.ingest.dicom.contour_kinds import INTERPOLATED_PLANAR
from lunggtv.ingest.dicom.contours import Drawing
from lunggtv.ingest.dicom.headers import Inventory
from lunggtv.ingest.dicom.pixels import PixelStack
from lunggtv.ingest.dicom.references import PLACED, rois_of_other_images
from lunggtv.ingest.dicom.series import Series
from lunggtv.ingest.dicom.structure_set import Roi, StructureSet
from lunggtv.ingest.raw_scan import NOTED, WARNED, Reason
from lunggtv.wording import few


def folder_notes(inventory: Inventory, unused: int, copies: Sequence[str]) -> Iterator[Reason]:
    """Files of the folder that were not read; ``unused`` counts the CT images that are in no series."""
    images = [f"CT images that form no series ({unused})"] if unused else []
    images += [f"damaged CT images of other series ({len(inventory.damaged)})"] if inventory.damaged else []
    if any(inventory.skipped.values()) or images:
        yield Reason("skipped_files", f"files not used: {inventory.skipped_text(*images)}", NOTED)
    if inventory.suspect:
        yield Reason(
            "suspect_files",
            f"files that are empty, or perhaps DICOM but not readable: {few(inventory.suspect)}. If one belongs "
            "to the CT, copy or export it again.",
        )
    if inventory.forbidden:
        yield Reason(
            "suspect_files",
            f"files that may not be read: {few(inventory.forbidden)}. If one belongs to the CT, mend its permissions.",
        )
    if copies:
        yield Reason("copied_files", f"copies of other files left out: {few(copies)}.", NOTED)


def frame_notes(series: Series) -> Iterator[Reason]:
    """What a CT without one frame of reference means for its draft."""
    frames, slices = len(series.frame_uids), len(series.slices)
    if frames == 1:
        return
    without = sum(not one.frame_uid for one in series.slices)
    which = f"has {frames} frames of reference on {slices} slices"
    which += f", {without} of them without one" if without else ""
    if not frames:
        which = "names no frame of reference"
    elif frames == slices:
        which = "has another frame of reference for every slice"
    yield Reason(
        "no_frame_of_reference",
        f"the CT {which}. Its slices were stacked by their positions. A draft as RTSTRUCT gets a frame of reference of "
        "its own, and a planning system may refuse it; the mask is not concerned.",
    )


def pixel_notes(pixels: PixelStack) -> Iterator[Reason]:
    """Reasons to doubt the Hounsfield units."""
    if pixels.lossy:
        yield Reason("lossy_compression", f"compressed with loss (slices: {pixels.lossy}); HU are not exact.")
    if pixels.unscaled:
        yield Reason(
            "no_rescale",
            f"no rescale slope or intercept (slices: {pixels.unscaled}); 1 and 0 were taken.",
        )


def reference_notes(structure_set: StructureSet, series: Series, here: frozenset[str]) -> Iterator[Reason]:
    """Whether CT and structure set belong together; ``here`` are the ids of all CT images in the folder."""
    absent = structure_set.images.get(series.uid, frozenset()) - here
    if absent:
        yield Reason(
            "slices_not_here",
            f"{structure_set.name} refers to slices of this CT series that are not in the folder "
            f"({len(absent)}). If the series was cut, copy it whole.",
        )
    elsewhere = [
        f"'{roi.name}'"
        for roi in structure_set.drawn
        if roi.frame_uid not in ("", *series.frame_uids) and not roi.image_uids & series.sop_uids
    ]
    others = _quoted(rois_of_other_images(structure_set, series.sop_uids))
    if others:
        yield Reason(
            "roi_on_other_images",
            f"{structure_set.name}: contours of {others} name images that are none of the CT's, as those of another "
            f"phase or series. They {PLACED}",
        )
    if elsewhere and series.frame_uids:
        yield Reason(
            "other_frame_of_reference",
            f"{structure_set.name}: {', '.join(elsewhere)} names another frame of reference than the "
            "CT. Check that the tumour lies where it is drawn.",
        )


def roi_notes(structure_set: StructureSet, drawing: Drawing, voxel_ml: float) -> Iterator[Reason]:
    """Which ROIs make up the label, and which gave nothing to it."""
    rois = structure_set.drawn
    names = _quoted(rois)
    if len(rois) > 1:
        text = f"{len(rois)} ROIs match ingest.roi_patterns and were joined: {names}."
        yield Reason("rois_joined", text, NOTED)
    shared = sum(drawing.roi_voxels) - int(drawing.mask.sum())
    if shared:
        text = (
            f"GTV ROIs overlap by {shared * voxel_ml:.3g} ml: {names}. If some are older versions of others, "
        )
        yield Reason("rois_overlap", text + "make ingest.roi_patterns narrower.")
    tiny = [roi for roi, voxels in zip(rois, drawing.roi_voxels, strict=True) if not voxels]
    if tiny:
        text = f"{_quoted(tiny)} encloses no voxel centre and is not in the label."
        yield Reason("roi_without_voxels", text)
    empty = [roi for roi in structure_set.gtv if not roi.contours and not roi.open_contours]
    if empty:
        text = f"{_quoted(empty)} has no contour and was left out."
        yield Reason("empty_roi", text, NOTED)
    opened = [roi for roi in structure_set.gtv if roi.open_contours]
    if opened:
        count = sum(roi.open_contours for roi in opened)
        text = f"{_quoted(opened)}: points and open contours enclose nothing and were left out ({count})."
        yield Reason("open_contours", text)
    similar = [f"'{name}'" for name in structure_set.like_gtv]
    if similar:
        text = f"ROIs that ingest.roi_patterns does not name, and which are not in the label: {few(similar)}."
        yield Reason("rois_not_taken", text, NOTED)
    kinds = sorted({kind for roi in rois for kind in roi.kinds_closed})
    if kinds:
        text = f"{names}: contours of these types were taken as closed: {', '.join(kinds)}."
        severity = NOTED if kinds == [INTERPOLATED_PLANAR] else WARNED
        yield Reason("contour_types", text, severity)
    if structure_set.nameless:
        text = (
            f"{structure_set.name} holds contours of ROIs that it does not name ({structure_set.nameless}); "
        )
        yield Reason("nameless_rois", text + "they are not in the label.")


def _quoted(rois: Sequence[Roi]) -> str:
    return ", ".join(f"'{roi.name}'" for roi in rois)
