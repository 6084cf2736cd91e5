"""Planes between the slices of a stack of several distances: Hounsfield units and label, from the slices around.

HU are interpolated linearly. A label is interpolated by its shape: the signed distances to the borders of the two
outlines are mixed, and what does not come out negative is inside (Raya & Udupa 1990, IEEE Trans Med Imaging 9:32;
Herman, Zheng & Bucholtz 1992, IEEE Comput Graph Appl 12:69).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from lunggtv.boxes import box_of
from lunggtv.ingest.dicom.slice_parts import apart_from


def wide_steps(planes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The planes of neighbouring slices with planes between them, from the lowest up."""
    return ((lower, upper) for lower, upper in pairwise(planes) if upper - lower > 1)


def fill_hounsfield(hu: np.ndarray, planes: Sequence[int]) -> None:
    """Fill the planes (axis 0) between those of ``planes``, in place; whole numbers are rounded."""
    for lower, upper in wide_steps(planes):
        below, above = hu[lower].astype(np.float64), hu[upper].astype(np.float64)
        for plane in range(lower + 1, upper):
            mixed = below + (above - below) * ((plane - lower) / (upper - lower))
            hu[plane] = mixed if hu.dtype.kind == "f" else np.rint(mixed)


def label_between(mask: np.ndarray, planes: Sequence[int], pixel_mm: Sequence[float]) -> np.ndarray:
    """What of a label (uint8 0 and 1, axis 0 its planes) lies on the planes between those of ``planes``.

    Nothing where one of the two slices around has no label, or where their outlines lie too far apart to be one shape.

    Args:
        mask: labelled on ``planes``; the others are not looked at.
        pixel_mm: (y, x).
    """
    between = np.zeros_like(mask)
    for lower, upper in wide_steps(planes):
        box = box_of(mask[[lower, upper]])
        if box is None or box[0] != slice(0, 2):
            continue
        part = box[1:]
        below, above = (_signed_mm(mask[plane][part] > 0, pixel_mm) for plane in (lower, upper))
        for plane in range(lower + 1, upper):
            share = (plane - lower) / (upper - lower)
            between[plane][part] = (1 - share) * below + share * above >= 0
    return between


def thin_ends_ml(mask: np.ndarray, planes: Sequence[int], spacing_mm: Sequence[float]) -> float:
    """By how much a label is smaller than if each slice stood for half the way to its neighbours, as usual; ml.

    A label that ends at a slice next to added planes reaches half a plane beyond it instead. ``mask`` is labelled on
    the added planes too.
    """
    missing_mm3 = 0.0
    for lower, upper in wide_steps(planes):
        for end, beside in ((lower, lower + 1), (upper, upper - 1)):
            ending = apart_from(mask[end] > 0, mask[beside] > 0)
            thick_mm = (upper - lower - 1) / 2 * spacing_mm[0]
            missing_mm3 += np.count_nonzero(ending) * spacing_mm[1] * spacing_mm[2] * thick_mm
    return missing_mm3 / 1000.0


def _signed_mm(inside: np.ndarray, pixel_mm: Sequence[float]) -> np.ndarray:
    """Distance of pixel centres to the border, which runs half a pixel from them; positive inside."""
    from scipy import ndimage  # here, since loading it takes longer than reading most patients needs

    # A rim, since beyond the box all is outside.
    rim = np.pad(inside, 1)
    within = ndimage.distance_transform_edt(rim, sampling=pixel_mm)
    beyond = ndimage.distance_transform_edt(~rim, sampling=pixel_mm)
    half = min(pixel_mm) / 2
    return np.where(rim, within - half, half - beyond)[1:-1, 1:-1]
