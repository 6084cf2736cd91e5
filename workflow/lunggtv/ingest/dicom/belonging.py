"""Do contours belong to a CT that they do not name? Only if they lie on its slices, and inside the body."""

import numpy as np

from lunggtv.geometry import Grid
from lunggtv.ingest.anatomy import body_mask, thinning
from lunggtv.ingest.checks import OUTER_AIR_HU
from lunggtv.ingest.dicom.contours import Drawing
from lunggtv.ingest.raw_scan import Refused

INSIDE_SHARE = 0.98  # of the label's voxels; the body is found on a thinned grid
BETWEEN = {"contours_between_slices", "parts_between_slices"}


def check_belonging(name: str, drawing: Drawing, ct_hu: np.ndarray, grid: Grid, tolerance_mm: float) -> None:
    """Refuse contours that the CT's geometry does not bear out.

    Args:
        name: of the structure set's file.
        drawing: its contours as drawn on the CT.
        ct_hu: (z, y, x), z along the slices.
        grid: of the CT.
        tolerance_mm: how far a contour may lie from its slice.

    Raises:
        Refused: contours lie between slices, or outside the body.
    """
    if drawing.off_slice_mm > tolerance_mm or any(one.code in BETWEEN for one in drawing.findings):
        raise Refused(
            "drawn_elsewhere",
            f"{name} does not name this CT, and its contours do not lie on its slices (up to "
            f"{drawing.off_slice_mm:.3g} mm off): it was drawn on another scan. Add the CT it was drawn on, or pin "
            "another series of the folder under data.series.",
        )
    thin = thinning(grid.spacing_mm)
    body = body_mask(ct_hu[thin])
    # Where the field of view cuts the body, lung may be missing from its mask; outer air is thinner.
    inside = body | (ct_hu[thin] >= OUTER_AIR_HU)
    place = np.argwhere(drawing.mask) // [axis.step for axis in thin]
    share = float(inside[tuple(np.minimum(place, np.array(body.shape) - 1).T)].mean()) if len(place) else 0.0
    if share < INSIDE_SHARE:
        raise Refused(
            "drawn_elsewhere",
            f"{name} does not name this CT, and {100 * (1 - share):.0f} % of its GTV lie outside the body: it was "
            "drawn on another scan. Add the CT it was drawn on, or pin another series of the folder under "
            "data.series.",
        )
