"""What was joined, left out or moved when contours were drawn, in words for the verdict."""

from collections.abc import Iterator, Sequence

from lunggtv.ingest.dicom.contours import Drawing, Finding
from lunggtv.ingest.dicom.slice_stack import SliceStack
from lunggtv.ingest.raw_scan import NOTED, WARNED, Reason

AXIAL = 0.9  # of the stack's direction along the body at which heights mean something to a reader
RUNS_NAMED = 8  # runs of slices named one by one
TEXTS = {
    "repeated_contours": (WARNED, "contours that stand twice in the RTSTRUCT were drawn once"),
    "crossing_contours": (
        WARNED,
        "contours of one ROI cross or run along one another. They were joined, regions with regions and holes with "
        "holes; a region across a hole was not cut. To cut a part out, draw it within, or export CLOSEDPLANAR_XOR",
    ),
    "mixed_contours": (
        WARNED,
        "contours of the types CLOSED_PLANAR and CLOSEDPLANAR_XOR overlap; what the latter cover was turned from "
        "inside to outside and back",
    ),
    "exclusive_crossing": (
        NOTED,
        "contours of the type CLOSEDPLANAR_XOR cross; what an even number of them covers is outside, as the type says",
    ),
    "contours_crossing_themselves": (
        WARNED,
        "contours cross themselves; all that they run round was taken as GTV",
    ),
    "contour_slips": (
        NOTED,
        "contours cross themselves by a slip of the pen; voxels that they run round twice there were left out",
    ),
    "holes": (NOTED, "contours within other contours were taken as holes"),
    "doubtful_holes": (
        WARNED,
        "contours within others were taken as holes, although they lie along the border or take more than half away. "
        "If they are two versions of one contour, remove one",
    ),
    "contours_without_voxels": (NOTED, "contours that enclose no voxel centre are not in the label"),
    "contours_elsewhere": (
        WARNED,
        "contours lie more than a slice from the images that they name. CT and structure set may not belong together "
        "as they are: check that the tumour lies where it is drawn",
    ),
    "contours_on_centres": (
        WARNED,
        "contours run through the centres of voxels, as image libraries trace masks. A voxel on the border is inside "
        "on two sides and outside on the others, so that the label is smaller by half a voxel all around. Export the "
        "mask itself, or outlines along the sides of voxels",
    ),
    "contours_cut": (WARNED, "contours that reach beyond the image were cut at its edge"),
    "contours_between_slices": (
        WARNED,
        "the GTV was drawn on thinner slices; contour planes between slices were left out",
    ),
    "parts_between_slices": (
        WARNED,
        "parts of the GTV were drawn between slices alone; they were put on the nearest slice",
    ),
    "slices_without_contour": (
        WARNED,
        "slices within the GTV have no contour; the planning system may fill them in, the label does not",
    ),
}  # fmt: skip


def drawing_notes(
    names: Sequence[str], drawing: Drawing, stack: SliceStack, tolerance_mm: float
) -> Iterator[Reason]:
    """Reasons to look at the contours, with the ROIs and slices they are about.

    Args:
        names: of the ROIs that were drawn, in the order of the drawing.
        stack: the CT's slices.
        tolerance_mm: how far a contour may lie from its slice without being told.
    """
    for code, (severity, text) in TEXTS.items():
        found = [finding for finding in drawing.findings if finding.code == code]
        if found:
            places = "; ".join(f"ROI '{names[one.roi]}', {_slices(one, stack)}" for one in found)
            count = sum(one.count for one in found)
            yield Reason(code, f"{text} ({count}: {places}).", severity)
    if drawing.off_slice_mm > tolerance_mm:
        text = f"contours lie up to {drawing.off_slice_mm:.2g} mm from the nearest slice, which took them."
        yield Reason("contours_off_slice", text)


def _slices(finding: Finding, stack: SliceStack) -> str:
    """Slices counted from one on, runs in short, with their heights: ``slices 4 to 6 and 9 (z -85 to -60 mm)``."""
    runs: list[list[int]] = []
    for z in finding.slices:
        if runs and z == runs[-1][1] + 1:
            runs[-1][1] = z
        else:
            runs.append([z, z])
    if len(runs) > RUNS_NAMED:
        return f"{len(finding.slices)} slices from {runs[0][0] + 1} to {runs[-1][1] + 1}"
    texts = [f"{first + 1}" if first == last else f"{first + 1} to {last + 1}" for first, last in runs]
    listed = " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))
    text = f"slice{'s' * (len(finding.slices) > 1)} {listed}"
    if abs(stack.grid.matrix[2, 2]) < AXIAL:
        return text
    planes = {stack.planes[z] for z in (finding.slices[0], finding.slices[-1])}
    ends = sorted({round(float(stack.grid.point_mm((plane, 0, 0))[2]), 1) for plane in planes})
    return f"{text} (z {' to '.join(f'{end:g}' for end in ends)} mm)"
