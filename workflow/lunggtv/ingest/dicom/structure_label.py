"""The label that a structure set draws on a CT, what is told of it, and the refusals of what cannot be drawn."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lunggtv.ingest.dicom.belonging import OTHER_CT, check_belonging
from lunggtv.ingest.dicom.choice import Choice
from lunggtv.ingest.dicom.contour_planes import ContourOffGrid
from lunggtv.ingest.dicom.contours import Drawing, UndrawableRoi, draw_rois
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.drawing_notes import drawing_notes
from lunggtv.ingest.dicom.notes import reference_notes, roi_notes
from lunggtv.ingest.dicom.references import contours_of_other_images, rois_of_other_images
from lunggtv.ingest.dicom.series import Series
from lunggtv.ingest.dicom.slice_stack import SliceStack
from lunggtv.ingest.dicom.structure_set import Roi, StructureSet
from lunggtv.ingest.raw_scan import Reason, Refused


def draw_structures(
    choice: Choice, here: frozenset[str], on_grid: SliceStack, ct_hu: np.ndarray, settings: DicomSettings
) -> tuple[np.ndarray, list[Reason]]:
    """The GTV (uint8, 0 and 1, on the CT's grid) and its notes.

    Args:
        choice: with a structure set, its series in the order of the stack.
        here: ids of all CT images in the folder.
        ct_hu: (z, y, x), on the grid.

    Raises:
        Refused: contours outside the CT, such as cannot be drawn, or such as belong to another scan.
    """
    series, structure_set = choice.series, choice.structure_set
    assert structure_set is not None
    rois = structure_set.drawn
    try:
        drawing = _drawing(rois, series, on_grid, settings.slice_tolerance_mm)
    except ContourOffGrid as error:
        where = (
            "leans out of the CT's slices: it was drawn on images of another orientation. Export the GTV on "
            "the axial slices of the planning CT."
            if error.leaning
            else "lies outside the CT: slices are missing at an end, or it was drawn on another scan. Add "
            "the whole planning CT."
        )
        text = f"{structure_set.name}: a contour of ROI '{rois[error.roi].name}' {where}"
        raise Refused("contour_outside_ct", text) from None
    except UndrawableRoi as error:
        name = rois[error.roi].name
        if error.folded:
            raise Refused(
                "contour_folded",
                f"{structure_set.name}: a contour of ROI '{name}' runs along itself there and back, so that what it "
                "encloses cannot be told. Draw it again.",
            ) from None
        raise Refused(
            "contour_tangled",
            f"{structure_set.name}: the contours of ROI '{name}' have too many points or too many crossings on a slice "
            "to be compared with one another. Draw it again, or export it with fewer points.",
        ) from None
    _check_belonging(choice, structure_set, on_grid, ct_hu, settings)
    return drawing.mask, [
        *([choice.unproved] if choice.unproved else reference_notes(structure_set, series, here)),
        *roi_notes(structure_set, drawing, on_grid.grid.voxel_ml),
        *drawing_notes([roi.name for roi in rois], drawing, on_grid, settings.slice_tolerance_mm),
    ]


def _drawing(rois: Sequence[Roi], series: Series, on_grid: SliceStack, tolerance_mm: float) -> Drawing:
    contours = [on_grid.straightened(roi.contours) for roi in rois]
    slice_of = {one.sop_uid: z for z, one in enumerate(series.slices)}
    drawing = draw_rois(contours, on_grid.slices_alone, tolerance_mm, slice_of)
    if not on_grid.added:
        return drawing
    off_mm = on_grid.off_slice_mm(contours, tolerance_mm)
    return replace(drawing, mask=on_grid.spread(drawing.mask), off_slice_mm=off_mm)


def _check_belonging(
    choice: Choice,
    structure_set: StructureSet,
    on_grid: SliceStack,
    ct_hu: np.ndarray,
    settings: DicomSettings,
) -> None:
    """Look at the contours whose ids do not say that they were drawn on the CT: all of them, or some of a ROI.

    Those of a ROI are drawn by themselves: what others do, or contours of the CT's own images, says nothing of them.
    """
    sop_uids, rois = choice.series.sop_uids, structure_set.drawn
    if choice.unproved is not None:
        doubtful, says, ways = rois, "no image of this CT", OTHER_CT
    else:
        others = rois_of_other_images(structure_set, sop_uids)
        doubtful = tuple(replace(roi, contours=contours_of_other_images(roi, sop_uids)) for roi in others)
        says, ways = "other images than this CT's", "Draw them on this CT."
    if not doubtful:
        return
    if len(rois) > 1:
        ways += " If this ROI is not to be in the label, make ingest.roi_patterns narrower."
    drawn = [
        (
            f"{structure_set.name}: contours of ROI '{roi.name}' name {says}",
            _drawing([roi], choice.series, on_grid, settings.slice_tolerance_mm),
        )
        for roi in doubtful
    ]
    check_belonging(drawn, ways, ct_hu, on_grid.grid, settings.slice_tolerance_mm)
