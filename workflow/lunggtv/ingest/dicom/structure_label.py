"""The label that a structure set draws on a CT, what is told of it, and the refusals of what cannot be drawn."""

from dataclasses import replace

import numpy as np

from lunggtv.ingest.dicom.belonging import check_belonging
from lunggtv.ingest.dicom.choice import Choice
from lunggtv.ingest.dicom.contour_planes import ContourOffGrid
from lunggtv.ingest.dicom.contours import UndrawableRoi, draw_rois
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.drawing_notes import drawing_notes
from lunggtv.ingest.dicom.notes import reference_notes, roi_notes
from lunggtv.ingest.dicom.references import rois_of_other_images
from lunggtv.ingest.dicom.slice_stack import SliceStack
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
    contours = [on_grid.straightened(roi.contours) for roi in rois]
    try:
        drawing = draw_rois(
            contours,
            on_grid.slices_alone,
            settings.slice_tolerance_mm,
            {one.sop_uid: z for z, one in enumerate(series.slices)},
        )
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
    if on_grid.added:
        off_mm = on_grid.off_slice_mm(contours, settings.slice_tolerance_mm)
        drawing = replace(drawing, mask=on_grid.spread(drawing.mask), off_slice_mm=off_mm)
    others = rois_of_other_images(structure_set, series.sop_uids)
    if choice.unproved is not None or others:
        doubt = "names other images than this CT's" if others else "does not name this CT"
        check_belonging(structure_set.name, doubt, drawing, ct_hu, on_grid.grid, settings.slice_tolerance_mm)
    return drawing.mask, [
        *([choice.unproved] if choice.unproved else reference_notes(structure_set, series, here)),
        *roi_notes(structure_set, drawing, on_grid.grid.voxel_ml),
        *drawing_notes([roi.name for roi in rois], drawing, on_grid, settings.slice_tolerance_mm),
    ]
