"""What is told of a drawing: each finding in its own words, with its count, its ROIs and its slices."""

import numpy as np
import pytest
from lunggtv.geometry import Grid
from lunggtv.ingest.dicom.contours import Drawing, Finding
from lunggtv.ingest.dicom.drawing_notes import TEXTS, drawing_notes
from lunggtv.ingest.dicom.slice_stack import SliceStack

LPS = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)
UPRIGHT = (1.0, 0, 0, 0, 0, 1.0, 0, -1.0, 0)
SAID = {
    "repeated_contours": "contours that stand twice in the RTSTRUCT were drawn once",
    "crossing_contours": "contours of one ROI cross or run along one another. They were joined, regions with regions",
    "mixed_contours": "contours of the types CLOSED_PLANAR and CLOSEDPLANAR_XOR overlap; what the latter cover was",
    "exclusive_crossing": "contours of the type CLOSEDPLANAR_XOR cross; what an even number of them covers is outside",
    "contours_crossing_themselves": "contours cross themselves; all that they run round was taken as GTV",
    "contour_slips": "contours cross themselves by a slip of the pen; voxels that they run round twice there were left",
    "holes": "contours within other contours were taken as holes",
    "doubtful_holes": "contours within others were taken as holes, although they lie along the border or take more",
    "contours_without_voxels": "contours that enclose no voxel centre are not in the label",
    "contours_elsewhere": "contours lie more than a slice from the images that they name. CT and structure set may not",
    "contours_on_centres": "contours run through the centres of voxels, as image libraries trace masks. A voxel on the",
    "contours_cut": "contours that reach beyond the image were cut at its edge",
    "contours_between_slices": "the GTV was drawn on thinner slices; contour planes between slices were left out",
    "parts_between_slices": "parts of the GTV were drawn between slices alone; they were put on the nearest slice",
    "slices_without_contour": "slices within the GTV have no contour; the planning system may fill them in, the label",
}


def texts(
    *findings: Finding, off_slice_mm: float = 0.0, direction: tuple[float, ...] = LPS
) -> dict[str, str]:
    """Texts by code, of a CT with slices every 2.5 mm from z -100 mm on, the last of them 5 mm apart."""
    stack = SliceStack(Grid((42, 4, 4), (2.5, 1.0, 1.0), (0.0, 0.0, -100.0), direction), (*range(40), 41))
    drawing = Drawing(np.zeros((42, 4, 4), np.uint8), (0, 0), off_slice_mm, findings)
    return {note.code: note.text for note in drawing_notes(["GTV 1", "GTV 2"], drawing, stack, 0.2)}


def test_each_finding_has_its_own_words():
    found = texts(*(Finding(code, 0, (4,), 1) for code in TEXTS))
    assert {code: text[: len(SAID[code])] for code, text in found.items()} == SAID


@pytest.mark.parametrize(
    ("slices", "direction", "where"),
    [
        ((3,), LPS, "slice 4 (z -92.5 mm)"),
        ((3, 4), LPS, "slices 4 to 5 (z -92.5 to -90 mm)"),
        ((3, 4, 5, 8), LPS, "slices 4 to 6 and 9 (z -92.5 to -80 mm)"),
        ((3, 5, 40), LPS, "slices 4, 6 and 41 (z -92.5 to 2.5 mm)"),
        (tuple(range(0, 16, 2)), LPS, "slices 1, 3, 5, 7, 9, 11, 13 and 15 (z -100 to -65 mm)"),
        (tuple(range(0, 18, 2)), LPS, "9 slices from 1 to 17"),
        ((3, 4), UPRIGHT, "slices 4 to 5"),
    ],
)
def test_slices_are_counted_from_one_and_have_their_heights(slices, direction, where):
    found = texts(Finding("holes", 1, slices, 12), direction=direction)
    assert found == {
        "holes": f"contours within other contours were taken as holes (12: ROI 'GTV 2', {where})."
    }


def test_findings_of_one_kind_are_told_together():
    found = texts(
        Finding("holes", 0, (0,), 2), Finding("holes", 1, (1,), 3), Finding("contours_cut", 0, (0,), 1)
    )
    assert found["holes"].endswith(
        "(5: ROI 'GTV 1', slice 1 (z -100 mm); ROI 'GTV 2', slice 2 (z -97.5 mm))."
    )


@pytest.mark.parametrize(("off_slice_mm", "told"), [(0.2, {}), (0.21, "0.21"), (1.25, "1.2")])
def test_contours_off_their_slice_are_told_beyond_the_tolerance(off_slice_mm, told):
    text = f"contours lie up to {told} mm from the nearest slice, which took them."
    assert texts(off_slice_mm=off_slice_mm) == ({"contours_off_slice": text} if told else {})
