"""A CT with several slice distances in words for the verdict, and its label between slices."""

from collections.abc import Sequence

import numpy as np

from lunggtv.ingest.dicom.added_planes import label_between, thin_ends_ml
from lunggtv.ingest.dicom.headers import CtSlice
from lunggtv.ingest.dicom.slice_distances import RESAMPLE, distances_text
from lunggtv.ingest.dicom.slice_stack import SliceStack
from lunggtv.ingest.raw_scan import Reason, Refused


def plane_notes(slices: Sequence[CtSlice], stack: SliceStack, tolerance_mm: float) -> list[Reason]:
    """Which distances the slices have and how many planes were interpolated; nothing for one distance."""
    if not stack.added:
        return []
    heights_mm = np.array(stack.planes) * stack.grid.spacing_mm[0]
    text = (
        f"{distances_text(slices, heights_mm, tolerance_mm)}. The CT was put on a regular grid of "
        f"{stack.grid.spacing_mm[0]:.3g} mm, with planes between slices whose HU were interpolated "
        f"({stack.added} of {stack.grid.shape[0]})."
    )
    return [Reason("interpolated_planes", text)]


def label_on_planes(
    mask: np.ndarray, stack: SliceStack, structure_set: str, interpolate: bool
) -> tuple[np.ndarray, list[Reason]]:
    """A label on all planes of the grid, and what is to be told of those between slices.

    Args:
        mask: uint8 on the slices alone.
        structure_set: name of its file.
        interpolate: whether the label may be interpolated on planes between slices.

    Raises:
        Refused: it may not, and a plane lies within the GTV.
    """
    label = stack.spread(mask)
    if not stack.added:
        return label, []
    notes = []
    spacing_mm = stack.grid.spacing_mm
    between = label_between(label, stack.planes, spacing_mm[1:])
    within = int(between.any(axis=(1, 2)).sum())
    if within and not interpolate:
        raise Refused(
            "gtv_between_slices",
            f"{structure_set}: the GTV was drawn where slices lie {_widest_mm(between, stack):.3g} mm apart, so that "
            f"within it lie planes between slices ({within}), on which nothing was drawn. To have the label "
            f"interpolated there, set ingest.interpolate_gtv: true. {RESAMPLE}",
        )
    if within:
        text = (
            f"on planes between slices ({within}) the label was interpolated by its shape from the contours around "
            f"({np.count_nonzero(between) * stack.grid.voxel_ml:.3g} ml)."
        )
        notes.append(Reason("gtv_interpolated", text))
    label |= between
    thin_ml = thin_ends_ml(label, stack.planes, spacing_mm)
    if thin_ml:
        text = (
            f"the GTV ends at slices that lie farther apart than the planes of the grid; the label ends half a plane "
            f"beyond them, not half a slice distance, and is smaller by {thin_ml:.2g} ml for it."
        )
        notes.append(Reason("gtv_ends_between_slices", text))
    return label, notes


def _widest_mm(between: np.ndarray, stack: SliceStack) -> float:
    """The largest distance of slices between which a label lies."""
    inside = np.flatnonzero(between.any(axis=(1, 2)))
    upper = np.searchsorted(stack.planes, inside)
    planes = np.array(stack.planes)
    return float((planes[upper] - planes[upper - 1]).max() * stack.grid.spacing_mm[0])
