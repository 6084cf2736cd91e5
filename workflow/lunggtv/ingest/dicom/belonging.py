"""Do contours belong to a CT that they do not name? Only if they lie on its slices, and inside the body."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from lunggtv.geometry import Grid
from lunggtv.ingest.anatomy import body_mask, thinning
from lunggtv.ingest.checks import OUTER_AIR_HU
from lunggtv.ingest.dicom.contours import Drawing
from lunggtv.ingest.hounsfield import to_hounsfield
from lunggtv.ingest.raw_scan import Refused

INSIDE_SHARE = 0.98  # of the label's voxels; the body is found on a thinned grid
OTHER_CT = "Add that one, or pin another series of the folder under data.series."
BETWEEN = {"contours_between_slices", "parts_between_slices"}


def check_belonging(
    rois: Sequence[tuple[str, Drawing]], ways: str, ct: np.ndarray, grid: Grid, tolerance_mm: float
) -> None:
    """Refuse contours that the CT's geometry does not bear out.

    Args:
        rois: of each ROI by itself, what its contours say of the CT, as ``rs.dcm: contours of 'GTV' name no image of
            this CT``, and these contours as drawn on it.
        ways: what to do about it.
        ct: (z, y, x), z along the slices; HU, or what the file holds for want of a rescale intercept.
        grid: of the CT.
        tolerance_mm: how far a contour may lie from its slice.

    Raises:
        Refused: contours lie between slices, or outside the body.
    """
    for claim, drawing in rois:
        if drawing.off_slice_mm > tolerance_mm or any(one.code in BETWEEN for one in drawing.findings):
            far = drawing.off_slice_mm > tolerance_mm
            off = f" (up to {drawing.off_slice_mm:.3g} mm off)" if far else ""
            raise _elsewhere(f"{claim}, and not all of them lie on the CT's slices{off}: they were", ways)
    inside = _inside_body(ct, grid)
    for claim, drawing in rois:
        share = _share_in(inside, drawing.mask, grid)
        if share < INSIDE_SHARE:
            outside = f"{100 * (1 - share):.0f} % of what they enclose lie outside the body"
            raise _elsewhere(f"{claim}, and {outside}: they were", ways)


def check_inside(name: str, doubt: str, mask: np.ndarray, ct: np.ndarray, grid: Grid) -> None:
    """Raise Refused where the GTV of a file lies outside the body.

    Args:
        name: of the file.
        doubt: what it says of the CT, to go on after its name.
        mask: its GTV, (z, y, x).
        ct, grid: as those of ``check_belonging``.
    """
    share = _share_in(_inside_body(ct, grid), mask, grid)
    if share < INSIDE_SHARE:
        outside = f"{100 * (1 - share):.0f} % of its GTV lie outside the body"
        raise _elsewhere(f"{name} {doubt}, and {outside}: it was", OTHER_CT)


def _inside_body(ct: np.ndarray, grid: Grid) -> np.ndarray:
    """What is no air around the body (bool), on the thinned grid."""
    hu = ct[thinning(grid.spacing_mm)].copy()
    with suppress(Refused):  # what is no HU at all is told of the whole CT
        hu = to_hounsfield(hu, "").ct
    # Where the field of view cuts the body, lung may be missing from its mask; outer air is thinner.
    return body_mask(hu) | (hu >= OUTER_AIR_HU)


def _share_in(inside: np.ndarray, mask: np.ndarray, grid: Grid) -> float:
    """The share of a mask's voxels that lie inside; 1 if it has none, which others tell of."""
    if not mask.any():
        return 1.0
    place = np.argwhere(mask) // [axis.step for axis in thinning(grid.spacing_mm)]
    return float(inside[tuple(np.minimum(place, np.array(inside.shape) - 1).T)].mean())


def _elsewhere(text: str, ways: str) -> Refused:
    return Refused("drawn_elsewhere", f"{text} drawn on another scan. {ways}")
