"""A CT with several slice distances in words for the verdict, and its label between slices."""

from collections.abc import Sequence

import numpy as np

from lunggtv.ingest.dicom.added_planes import label_between, thin_ends_ml
from lunggtv.ingest.dicom.headers import CtSlice
from lunggtv.ingest.dicom.slice_distances import RESAMPLE, distances_text
from lunggtv.ingest.dicom.slice_stack import SliceStack
from lunggtv.ingest.raw_scan import Reason, Refused

MADE_ON_GRID = 0.5  # share of the planes within a label that are drawn on
STRAY = 0.25  # share of the voxels that a plane is to have by the slices around it: no more are strays


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
    label: np.ndarray, stack: SliceStack, name: str, interpolate: bool
) -> tuple[np.ndarray, list[Reason]]:
    """A label on all planes of the grid, and what is to be told of those between slices.

    Args:
        label: uint8 on the grid. It is interpolated between slices unless it is drawn on most planes between slices
            with a label, as a mask that was made on the grid is.
        name: of the label, for messages.
        interpolate: whether planes between slices may be GTV.

    Raises:
        Refused: they may not, and one would be.
    """
    between = np.array(label)
    between[list(stack.planes)] = 0
    by_shape = label_between(label, stack.planes, stack.grid.spacing_mm[1:])
    own, due = (np.count_nonzero(mask, axis=(1, 2)) for mask in (between, by_shape))
    drawn_on = own > STRAY * due
    looked_at = due > 0 if due.any() else own > 0
    is_drawn = bool(own.any()) and np.count_nonzero(drawn_on & looked_at) >= MADE_ON_GRID * np.count_nonzero(
        looked_at
    )
    stray = 0 if is_drawn else int(np.count_nonzero(between))
    if not is_drawn:
        between = between | by_shape
    within = int(between.any(axis=(1, 2)).sum())
    if within and not interpolate:
        raise Refused(
            "gtv_between_slices",
            f"{name} was drawn where slices lie {_widest_mm(between, stack):.3g} mm apart, so that within it lie "
            f"planes between slices ({within}), on which the CT is interpolated. To have the label there too, set "
            f"ingest.interpolate_gtv: true. {RESAMPLE}",
        )
    notes = []
    if within:
        how = "was taken as it stands" if is_drawn else "was interpolated by its shape from the slices around"
        how += f", beside voxels that it has there ({stray})" if stray else ""
        ml = np.count_nonzero(between) * stack.grid.voxel_ml
        notes.append(
            Reason("gtv_interpolated", f"on planes between slices ({within}) the label {how} ({ml:.3g} ml).")
        )
    label = label | between
    thin_ml = 0.0 if is_drawn else thin_ends_ml(label, stack.planes, stack.grid.spacing_mm)
    if thin_ml:
        text = (
            f"{name} ends at slices that lie farther apart than the planes of the grid; the label ends half a plane "
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
