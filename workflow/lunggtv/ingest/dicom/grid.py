"""The one regular grid that the slices of a CT series must form, and the refusals where they do not."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lunggtv.geometry import Grid
from lunggtv.ingest.dicom.headers import CtSlice, SlicePlace
from lunggtv.ingest.raw_scan import Refused
from lunggtv.wording import by

COSINE_TOLERANCE = 1e-3  # direction cosines are often written with four decimals
PIXEL_TOLERANCE_MM = 1e-4  # 0.05 mm at the far edge of 512 pixels
SAME_PLACE_MM = 0.01  # images nearer to each other than this lie at one place
DRIFT_TOLERANCE = 2e-3  # sideways mm per mm along the normal: 0.1 degrees, and rounded cosines


def stack(slices: Sequence[CtSlice], tolerance_mm: float) -> tuple[tuple[CtSlice, ...], Grid]:
    """The slices of a series in order along its normal (row direction x column direction), and its grid.

    z of the grid runs along the normal, its spacing is the distance of the outer slices over the number of
    steps: positions are often rounded to 0.1 mm, and a single step would carry that error through the stack.

    Args:
        slices: in any order; the result does not depend on it.
        tolerance_mm: how far a slice may lie from its place in a regular stack.

    Raises:
        Refused: the slices do not form one regular grid; each way has a code and a text of its own.
    """
    _check_headers(slices)
    row, column, normal = _axes([_place(one) for one in slices])
    heights = _positions_mm(slices) @ normal
    # Names break ties, so that messages do not depend on the listing of the folder.
    order = sorted(range(len(slices)), key=lambda i: (heights[i], slices[i].name))
    ordered = tuple(slices[i] for i in order)
    _check_steps(ordered, heights[order], tolerance_mm)
    _check_sideways(ordered, normal, tolerance_mm)
    first = ordered[0]
    # Rounded: the projection on the normal leaves noise such as 2.9999999999998 mm.
    step_mm = round(float(heights[order[-1]] - heights[order[0]]) / (len(slices) - 1), 9)
    grid = Grid(
        shape=(len(slices), first.rows, first.columns),
        spacing_mm=(step_mm, *_place(first).pixel_spacing_mm),
        origin_mm=_place(first).position_mm,
        direction=tuple(float(v) + 0.0 for v in np.column_stack([row, column, normal]).reshape(-1)),
    )
    return ordered, grid


def _check_headers(slices: Sequence[CtSlice]) -> None:
    first = slices[0]
    first_place = _place(first)
    for one in slices:
        place = _place(one)
        if np.abs(np.subtract(place.orientation, first_place.orientation)).max() > COSINE_TOLERANCE:
            raise Refused(
                "mixed_orientations",
                f"mixed orientations in one CT series: {first.name} and {one.name} differ. Export the axial "
                "images alone.",
            )
        if (one.rows, one.columns) != (first.rows, first.columns):
            raise Refused(
                "mixed_pixel_grid",
                f"images of different size in one CT series: {first.name} has {first.rows} x {first.columns} "
                f"pixels, {one.name} {one.rows} x {one.columns}. Export one reconstruction alone.",
            )
        if (
            np.abs(np.subtract(place.pixel_spacing_mm, first_place.pixel_spacing_mm)).max()
            > PIXEL_TOLERANCE_MM
        ):
            raise Refused(
                "mixed_pixel_grid",
                f"different pixel spacing in one CT series: {first.name} has "
                f"{by(first_place.pixel_spacing_mm, '.6g')} mm, {one.name} {by(place.pixel_spacing_mm, '.6g')} mm. "
                "Export one reconstruction alone.",
            )
    frames = {one.frame_uid: one for one in slices if one.frame_uid}
    # A frame for every slice is an anonymiser's; several for some slices each are scans of which the patient moved.
    if 1 < len(frames) < len(slices):
        one, other = list(frames.values())[:2]
        raise Refused(
            "mixed_frames",
            f"{one.name} and {other.name} are of one CT series but of different frames of reference. "
            "Export the scan again.",
        )
    if min(first_place.pixel_spacing_mm) <= 0:
        raise Refused(
            "bad_geometry", f"{first.name}: pixel spacing is {by(first_place.pixel_spacing_mm, '.6g')} mm."
        )


def _place(one: CtSlice) -> SlicePlace:
    if one.place is None:
        raise Refused(
            "missing_geometry",
            f"{one.name}: position, orientation or pixel spacing is missing or unreadable. Copy the "
            "series again from its source; an image that is not part of the CT must leave the folder.",
        )
    return one.place


def _positions_mm(slices: Sequence[CtSlice]) -> np.ndarray:
    return np.array([_place(one).position_mm for one in slices])


def _axes(places: Sequence[SlicePlace]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # The median over slices does not depend on the order of the files, whichever way cosines were rounded.
    row, column = np.split(np.median([place.orientation for place in places], axis=0), 2)
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if np.abs(np.subtract(lengths, 1)).max() > COSINE_TOLERANCE or abs(row @ column) > COSINE_TOLERANCE:
        raise Refused(
            "bad_geometry",
            "the CT's row and column directions are not perpendicular unit vectors. Export the series again.",
        )
    row = row / lengths[0]
    column = column - (column @ row) * row  # exactly perpendicular again after rounding
    column = column / np.linalg.norm(column)
    return row, column, np.cross(row, column)


def _check_steps(slices: Sequence[CtSlice], heights: np.ndarray, tolerance_mm: float) -> None:
    steps = np.diff(heights)
    step = float(np.median(steps))
    pairs = list(pairwise(slices))
    same = np.flatnonzero(steps < SAME_PLACE_MM)
    if len(same):
        below, above = pairs[same[0]]
        raise Refused(
            "duplicate_slices",
            f"duplicate slices: {below.name} and {above.name} lie at one place (such pairs: {len(same)}). "
            "Keep one scan, or one phase of a 4D CT, in the folder.",
        )
    if np.abs(heights - np.linspace(heights[0], heights[-1], len(heights))).max() <= tolerance_mm:
        return
    # A step lies between two positions, each of which may be off by the tolerance.
    wrong = np.flatnonzero(np.abs(steps - step) > 2 * tolerance_mm)
    missing = np.round(steps[wrong] / step) - 1
    whole = (missing >= 1) & (np.abs(steps[wrong] - (missing + 1) * step) <= 2 * tolerance_mm)
    if len(wrong) and whole.all():
        below, above = pairs[wrong[0]]
        raise Refused(
            "missing_slices",
            f"missing slices: from {below.name} to {above.name} it is {steps[wrong[0]]:.4g} mm where slices "
            f"lie {step:.4g} mm apart (missing in all: {int(missing.sum())}). Copy the whole series again.",
        )
    below, above = pairs[int(np.argmax(np.abs(steps - step)))]
    raise Refused(
        "irregular_slices",
        f"slice gaps: the distance between slices varies from {steps.min():.4g} to {steps.max():.4g} mm "
        f"(median {step:.4g} mm), most between {below.name} and {above.name}. Export with one slice "
        "spacing; rounding of positions is allowed for by ingest.slice_tolerance_mm.",
    )


def _check_sideways(slices: Sequence[CtSlice], normal: np.ndarray, tolerance_mm: float) -> None:
    positions_mm = _positions_mm(slices)
    offset = positions_mm - positions_mm[0]
    along = offset @ normal
    sideways = np.linalg.norm(offset - along[:, None] * normal, axis=1)
    worst = int(np.argmax(sideways - DRIFT_TOLERANCE * along))
    if sideways[worst] <= tolerance_mm + DRIFT_TOLERANCE * along[worst]:
        return
    drift = np.linalg.norm(np.median(np.diff(offset - along[:, None] * normal, axis=0), axis=0))
    if drift > DRIFT_TOLERANCE * np.median(np.diff(along)):
        angle = np.degrees(np.arctan2(sideways[-1], along[-1]))
        raise Refused(
            "gantry_tilt",
            f"the slices lean against their normal by {angle:.3g} degrees, as a gantry tilt makes them. Have "
            "the CT resampled without tilt (a planning CT has none), or leave the patient out.",
        )
    raise Refused(
        "shifted_slices",
        f"{slices[worst].name} lies {sideways[worst]:.3g} mm sideways of {slices[0].name}: images of "
        "different scans or reconstructions in one series. Export one reconstruction alone.",
    )
