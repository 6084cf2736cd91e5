"""Do contours belong to a CT that they do not name? Only if they lie on its slices, and inside the body."""

from contextlib import suppress

import numpy as np

from lunggtv.geometry import Grid
from lunggtv.ingest.anatomy import body_mask, thinning
from lunggtv.ingest.checks import OUTER_AIR_HU
from lunggtv.ingest.dicom.contours import Drawing
from lunggtv.ingest.hounsfield import to_hounsfield
from lunggtv.ingest.raw_scan import Refused

INSIDE_SHARE = 0.98  # of the label's voxels; the body is found on a thinned grid
BETWEEN = {"contours_between_slices", "parts_between_slices"}


def check_belonging(
    name: str, doubt: str, drawing: Drawing, ct: np.ndarray, grid: Grid, tolerance_mm: float
) -> None:
    """Refuse contours that the CT's geometry does not bear out.

    Args:
        name: of the structure set's file.
        doubt: what it says of the CT, to go on after its name.
        drawing: its contours as drawn on the CT.
        ct: (z, y, x), z along the slices; HU, or what the file holds for want of a rescale intercept.
        grid: of the CT.
        tolerance_mm: how far a contour may lie from its slice.

    Raises:
        Refused: contours lie between slices, or outside the body.
    """
    if drawing.off_slice_mm > tolerance_mm or any(one.code in BETWEEN for one in drawing.findings):
        off = f" (up to {drawing.off_slice_mm:.3g} mm off)" if drawing.off_slice_mm > tolerance_mm else ""
        raise _elsewhere(f"{name} {doubt}, and not all its contours lie on the CT's slices{off}")
    check_inside(name, doubt, drawing.mask, ct, grid)


def check_inside(name: str, doubt: str, mask: np.ndarray, ct: np.ndarray, grid: Grid) -> None:
    """Raise Refused where a GTV lies outside the body; parameters as those of ``check_belonging``."""
    thin = thinning(grid.spacing_mm)
    hu = ct[thin].copy()
    with suppress(Refused):  # what is no HU at all is told of the whole CT
        hu = to_hounsfield(hu, name).ct
    # Where the field of view cuts the body, lung may be missing from its mask; outer air is thinner.
    inside = body_mask(hu) | (hu >= OUTER_AIR_HU)
    place = np.argwhere(mask) // [axis.step for axis in thin]
    share = float(inside[tuple(np.minimum(place, np.array(hu.shape) - 1).T)].mean()) if len(place) else 0.0
    if share < INSIDE_SHARE:
        raise _elsewhere(f"{name} {doubt}, and {100 * (1 - share):.0f} % of its GTV lie outside the body")


def _elsewhere(text: str) -> Refused:
    return Refused(
        "drawn_elsewhere",
        f"{text}: it was drawn on another scan. Add the CT it was drawn on, or pin another series of the folder under "
        "data.series.",
    )
