"""The one regular grid on which the slices of a CT series must lie, and the refusals where they do not."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from lunggtv.geometry import Grid
from lunggtv.ingest.dicom.headers import CtSlice, SlicePlace
from lunggtv.ingest.dicom.slice_distances import planes_along
from lunggtv.ingest.raw_scan import Refused
from lunggtv.wording import by

COSINE_TOLERANCE = 1e-3  # direction cosines are often written with four decimals
PIXEL_TOLERANCE_MM = 1e-4  # 0.05 mm at the far edge of 512 pixels
FRAME_SLICES = 2  # that may share one of many frames of reference; more are a position of the patient
SHARED_FRAMES = 0.25  # of slices that may share a frame of reference with another
DRIFT_TOLERANCE = 2e-3  # sideways mm per mm along the normal: 0.1 degrees, and rounded cosines


def stack(slices: Sequence[CtSlice], tolerance_mm: float) -> tuple[tuple[CtSlice, ...], Grid]:
    """The slices of a series in order along its normal (row direction x column direction), and its grid.

    z of the grid runs along the normal, its spacing is the distance of the outer slices over the number of
    steps: positions are often rounded to 0.1 mm, and a single step would carry that error through the stack.
    Where slices lie at several distances, the grid has planes without a slice (``planes_of``).

    Args:
        slices: in any order; the result does not depend on it.
        tolerance_mm: how far a slice may lie from its plane of the grid.

    Raises:
        Refused: the slices do not form one regular grid; each way has a code and a text of its own.
    """
    _check_headers(slices)
    row, column, normal = _axes([_place(one) for one in slices])
    heights = _positions_mm(slices) @ normal
    # Names break ties, so that messages do not depend on the listing of the folder.
    order = sorted(range(len(slices)), key=lambda i: (heights[i], slices[i].name))
    ordered = tuple(slices[i] for i in order)
    planes = planes_along(ordered, heights[order], tolerance_mm)
    _check_sideways(ordered, normal, tolerance_mm)
    first = ordered[0]
    # Rounded: the projection on the normal leaves noise such as 2.9999999999998 mm.
    step_mm = round(float(heights[order[-1]] - heights[order[0]]) / int(planes[-1]), 9)
    grid = Grid(
        shape=(int(planes[-1]) + 1, first.rows, first.columns),
        spacing_mm=(step_mm, *_place(first).pixel_spacing_mm),
        origin_mm=_place(first).position_mm,
        direction=tuple(float(v) + 0.0 for v in np.column_stack([row, column, normal]).reshape(-1)),
    )
    return ordered, grid


def planes_of(slices: Sequence[CtSlice], grid: Grid) -> tuple[int, ...]:
    """The plane of the grid on which each slice of its ``stack`` lies."""
    if len(slices) == grid.shape[0]:
        return tuple(
            range(len(slices))
        )  # a generous tolerance lets slices lie nearer to another plane than to their own
    return tuple(int(plane) for plane in np.rint(grid.index_zyx(_positions_mm(slices))[:, 0]))


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
    _check_frames(slices)
    if min(first_place.pixel_spacing_mm) <= 0:
        raise Refused(
            "bad_geometry", f"{first.name}: pixel spacing is {by(first_place.pixel_spacing_mm, '.6g')} mm."
        )


def _check_frames(slices: Sequence[CtSlice]) -> None:
    """Refuse frames of reference that slices share, as those of scans that the patient moved between.

    One for (nearly) every slice is an anonymiser's.
    """
    frames = Counter(one.frame_uid for one in slices if one.frame_uid)
    shared = sum(count for count in frames.values() if count > 1)
    if len(frames) < 2 or (max(frames.values()) <= FRAME_SLICES and shared <= SHARED_FRAMES * frames.total()):
        return
    largest, count = frames.most_common(1)[0]
    one = next(one for one in slices if one.frame_uid == largest)
    other = next(one for one in slices if one.frame_uid not in ("", largest))
    raise Refused(
        "mixed_frames",
        f"{one.name} and {other.name} are of one CT series but of different frames of reference, of which the former's "
        f"has {count} slices. Export the scan again.",
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
