"""What the reader of DICOM noticed on the way, in words for the verdict."""

from collections.abc import Sequence

from lunggtv.ingest.contours import Drawing
from lunggtv.ingest.dicom_headers import Inventory
from lunggtv.ingest.dicom_pixels import PixelStack
from lunggtv.ingest.dicom_series import Series
from lunggtv.ingest.raw import NOTED, Reason
from lunggtv.ingest.rtstruct import Roi, StructureSet

MAX_FILES_NAMED = 5


def folder_notes(inventory: Inventory, unused: int, copies: Sequence[str]) -> list[Reason]:
    """Files of the folder that were not read; ``unused`` counts the CT images that are in no series."""
    notes = []
    if inventory.skipped or unused:
        text = f"files not used: {inventory.skipped_text()}"
        text += f", CT images that form no series ({unused})" if unused else ""
        notes.append(Reason("skipped_files", text, NOTED))
    if inventory.suspect:
        notes.append(
            Reason(
                "suspect_files",
                "files that are empty or lack the DICOM prefix were not read: "
                f"{_few(inventory.suspect)}. If one belongs to the CT, copy or export it again.",
            )
        )
    if copies:
        notes.append(Reason("copied_files", f"copies of other files left out: {_few(copies)}.", NOTED))
    return notes


def pixel_notes(pixels: PixelStack) -> list[Reason]:
    """Reasons to doubt the Hounsfield units."""
    notes = []
    if pixels.lossy:
        notes.append(
            Reason("lossy_compression", f"compressed with loss (slices: {pixels.lossy}); HU are not exact.")
        )
    if pixels.unscaled:
        notes.append(
            Reason(
                "no_rescale",
                f"no rescale slope or intercept (slices: {pixels.unscaled}); 1 and 0 were taken.",
            )
        )
    return notes


def reference_notes(structure_set: StructureSet, series: Series, here: frozenset[str]) -> list[Reason]:
    """Whether CT and structure set belong together; ``here`` are the ids of all CT images in the folder."""
    notes = []
    absent = structure_set.images.get(series.uid, frozenset()) - here
    if absent:
        notes.append(
            Reason(
                "slices_not_here",
                f"{structure_set.name} refers to slices of this CT series that are not in the folder "
                f"({len(absent)}). If the series was cut, copy it whole.",
            )
        )
    elsewhere = [
        f"'{roi.name}'"
        for roi in structure_set.drawn
        if roi.frame_uid not in ("", series.frame_uid) and not roi.image_uids & series.sop_uids
    ]
    if elsewhere and series.frame_uid:
        notes.append(
            Reason(
                "other_frame_of_reference",
                f"{structure_set.name}: {', '.join(elsewhere)} names another frame of reference than the "
                "CT. Check that the tumour lies where it is drawn.",
            )
        )
    return notes


def roi_notes(structure_set: StructureSet, drawing: Drawing, voxel_ml: float) -> list[Reason]:
    """Which ROIs make up the label, and which gave nothing to it."""
    notes = []
    rois = structure_set.drawn
    names = _quoted(rois)
    if len(rois) > 1:
        text = f"{len(rois)} ROIs match ingest.roi_patterns and were joined: {names}."
        notes.append(Reason("rois_joined", text, NOTED))
    shared = sum(drawing.roi_voxels) - int(drawing.mask.sum())
    if shared:
        text = (
            f"GTV ROIs overlap by {shared * voxel_ml:.3g} ml: {names}. If some are older versions of others, "
        )
        notes.append(Reason("rois_overlap", text + "make ingest.roi_patterns narrower."))
    tiny = [roi for roi, voxels in zip(rois, drawing.roi_voxels, strict=True) if not voxels]
    if tiny:
        text = f"{_quoted(tiny)} encloses no voxel centre and is not in the label."
        notes.append(Reason("roi_without_voxels", text))
    empty = [roi for roi in structure_set.gtv if not roi.contours]
    if empty:
        text = f"{_quoted(empty)} has no closed contour and was left out."
        notes.append(Reason("empty_roi", text, NOTED))
    open_contours = sum(roi.open_contours for roi in rois)
    if open_contours:
        text = f"{names}: points and open contours enclose nothing and were left out ({open_contours})."
        notes.append(Reason("open_contours", text))
    return notes


def drawing_notes(drawing: Drawing, tolerance_mm: float) -> list[Reason]:
    """Contours that could not be drawn as they stand."""
    findings = {
        "repeated_contours": (drawing.repeated, "contours that stand twice in the RTSTRUCT were drawn once"),
        "contours_cut": (drawing.beyond_edge, "contours that reach beyond the image were cut at its edge"),
        "contours_between_slices": (
            drawing.superseded,
            "the GTV was drawn on thinner slices; contour planes between slices were left out",
        ),
        "slices_without_contour": (
            drawing.skipped_slices,
            "slices within the GTV have no contour; the planning system may fill them in, the label does not",
        ),
    }
    notes = [Reason(code, f"{text} ({count}).") for code, (count, text) in findings.items() if count]
    if drawing.off_slice_mm > tolerance_mm:
        text = f"contours lie up to {drawing.off_slice_mm:.2g} mm from the nearest slice, which took them."
        notes.append(Reason("contours_off_slice", text))
    return notes


def _quoted(rois: Sequence[Roi]) -> str:
    return ", ".join(f"'{roi.name}'" for roi in rois)


def _few(names: Sequence[str]) -> str:
    more = len(names) - MAX_FILES_NAMED
    return ", ".join(names[:MAX_FILES_NAMED]) + (f" and {more} more" if more > 0 else "")
