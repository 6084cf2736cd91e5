"""The label that the frames of a segmentation make on the CT's grid, each frame placed by its own geometry."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lunggtv.geometry import Grid
from lunggtv.ingest.dicom.headers import CtSlice
from lunggtv.ingest.dicom.roi_names import looks_like_gtv
from lunggtv.ingest.dicom.segment_frames import Frame, SegmentFrames
from lunggtv.ingest.dicom.segmentation import quoted
from lunggtv.ingest.dicom.slice_parts import gaps
from lunggtv.ingest.raw_scan import NOTED, Reason, Refused
from lunggtv.wording import by, few


@dataclass(frozen=True)
class SegmentMask:
    """The joined segments.

    Attributes:
        mask: uint8 (z, y, x), 0 and 1.
        voxels: of each segment, by its number.
        planes: of the grid on which the CT has a slice, ascending.
    """

    mask: np.ndarray
    voxels: dict[int, int]
    planes: tuple[int, ...]


def draw_segments(
    found: SegmentFrames,
    slices: Sequence[CtSlice],
    grid: Grid,
    tolerance_mm: float,
    *,
    by_place_alone: bool = False,
) -> SegmentMask:
    """Join the chosen segments.

    Frames may stand in any order, be missing where a segment is empty, cover a part of a slice, and run in other
    directions than the CT's axes; every pixel must lie on a voxel of a slice.

    Args:
        slices: of the CT.
        grid: on which they lie; it may have planes between them.
        tolerance_mm: how far a pixel may lie from its voxel.
        by_place_alone: whether the images that the frames name do not matter.

    Raises:
        Refused: frames on other pixels or images than the CT's, damaged ones, or nothing in any of them.
    """
    mask = np.zeros(grid.shape, np.uint8)
    images = {_plane(one, grid): one.sop_uid for one in slices}
    voxels = {segment.number: 0 for segment in found.segments}
    seen: set[tuple[int, tuple[int, ...]]] = set()
    # Where they lie is known before anything is decoded.
    places = {frame: _place(frame, found, grid, tolerance_mm) for frame in found.frames}
    for frame, shown in found.masks():
        first, steps = places[frame]
        key = (frame.segment.number, tuple(first.tolist()))
        if key in seen:
            raise Refused(
                "segmentation_frames_twice",
                f"{found.name}: segment '{frame.segment.name}' has two frames at one place. Export it again.",
            )
        seen.add(key)
        drawn = first + np.argwhere(shown) @ steps
        on = {int(first[0]), *np.unique(drawn[:, 0]).tolist()}
        _check_images(frame, found, on, images, by_place_alone)
        mask[tuple(drawn.T)] = 1
        voxels[frame.segment.number] += len(drawn)
    if not any(voxels.values()):
        raise Refused(
            "empty_segment",
            f"{found.name}: {quoted(found.segments)} is empty. Export the GTV with what was drawn.",
        )
    return SegmentMask(mask, voxels, tuple(sorted(images)))


def segment_notes(
    found: SegmentFrames, drawn: SegmentMask, slices: Sequence[CtSlice], voxel_ml: float
) -> Iterator[Reason]:
    """Which segments make up the label of a CT with these slices, and what in them asks for a look."""
    names = quoted(found.segments)
    if len(found.segments) > 1:
        yield Reason(
            "segments_joined",
            f"{len(found.segments)} segments match ingest.roi_patterns and were joined: {names}.",
            NOTED,
        )
    shared = sum(drawn.voxels.values()) - int(np.count_nonzero(drawn.mask))
    if shared:
        yield Reason(
            "segments_overlap",
            f"GTV segments overlap by {shared * voxel_ml:.3g} ml: {names}. If some are older versions of others, make "
            "ingest.roi_patterns narrower.",
        )
    if empty := [one for one in found.segments if not drawn.voxels[one.number]]:
        yield Reason("empty_segment", f"{quoted(empty)} is empty and gave nothing to the label.", NOTED)
    if similar := [one for one in found.others if looks_like_gtv(one.name)]:
        text = f"segments that ingest.roi_patterns does not name, and which are not in the label: {quoted(similar)}."
        yield Reason("segments_not_taken", text, NOTED)
    if found.nameless:
        yield Reason(
            "nameless_segments",
            f"{found.name} holds frames of segments that it does not name ({found.nameless}); they are not in "
            "the label.",
        )
    if not found.image_uids:
        yield Reason(
            "segmentation_names_no_images",
            f"{found.name} does not name the images that it was drawn on; it fits the CT's voxels. Check that the "
            "tumour lies where it is drawn.",
        )
    frame_uids = {one.frame_uid for one in slices} - {""}
    if found.frame_uid and frame_uids and found.frame_uid not in frame_uids:
        yield Reason(
            "other_frame_of_reference",
            f"{found.name} names another frame of reference than the CT. Check that the tumour lies where it is drawn.",
        )
    if skipped := sorted(gaps(drawn.mask[list(drawn.planes)] != 0)):
        numbers = few([str(z + 1) for z in skipped])
        yield Reason(
            "slices_skipped",
            f"{names} is empty on slices between others that show it: {numbers} (counted from one). Check the drawing.",
        )


def _place(
    frame: Frame, found: SegmentFrames, grid: Grid, tolerance_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """The voxel (z, y, x) of a frame's first pixel, and the steps (2, 3) of its rows and columns in voxels."""
    row_mm, column_mm = frame.place.pixel_spacing_mm
    along_row, along_column = np.split(np.array(frame.place.orientation), 2)
    # Down the rows first, then along the columns, as the pixels' indices go.
    steps_mm = np.stack([along_column * row_mm, along_row * column_mm])
    origin_mm = np.array(frame.place.position_mm)
    exact = grid.index_zyx(origin_mm + steps_mm) - grid.index_zyx(origin_mm)
    steps = np.rint(exact).astype(int)
    last = np.array([found.rows - 1, found.columns - 1])
    corners = last * [(0, 0), (0, 1), (1, 0), (1, 1)]
    index = grid.index_zyx(origin_mm + corners @ steps_mm)
    first = np.rint(index[0]).astype(int)
    voxels = first + corners @ steps
    off_mm = np.linalg.norm((index - voxels) * grid.spacing_mm, axis=1)
    what = f"{found.name}: a frame of segment '{frame.segment.name}'"
    if np.abs(steps).sum(axis=1).tolist() != [1, 1] or off_mm.max() - off_mm[0] > tolerance_mm:
        raise Refused(
            "segmentation_other_pixels",
            f"{what} has other pixels than the CT: of {by(frame.place.pixel_spacing_mm, '.6g')} mm, where the CT's "
            f"voxels (z, y, x) have {by(grid.spacing_mm, '.6g')} mm, or turned. Export the segmentation on the CT's "
            "own images.",
        )
    if off_mm.max() > tolerance_mm:
        raise Refused(
            "segmentation_beside_voxels",
            f"{what} lies {off_mm.max():.3g} mm from the CT's voxels: it was drawn on other slices. Export the "
            "segmentation on the CT's own images.",
        )
    if voxels.min() < 0 or np.any(voxels >= grid.shape):
        raise Refused(
            "segmentation_outside_ct",
            f"{what} reaches beyond the CT: slices are missing at an end, or it was drawn on another scan. Add the "
            "whole planning CT.",
        )
    return first, steps


def _plane(one: CtSlice, grid: Grid) -> int:
    if one.place is None:
        raise ValueError("a CT slice on a grid has a place")
    return round(float(grid.index_zyx(one.place.position_mm)[0]))


def _check_images(
    frame: Frame, found: SegmentFrames, planes: set[int], images: dict[int, str], by_place_alone: bool
) -> None:
    """Refuse a frame that lies between the slices of the CT, or on others than those that it names."""
    what = f"{found.name}: a frame of segment '{frame.segment.name}'"
    if not planes <= images.keys():
        raise Refused(
            "segmentation_beside_voxels",
            f"{what} lies between the slices of the CT. Export the segmentation on the CT's own images.",
        )
    if by_place_alone or not frame.images:
        return
    if not {images[z] for z in planes} <= frame.images:
        here = frame.images & set(images.values())
        where = (
            "lies on another slice than the image that it names"
            if here
            else "names images that are not the CT's"
        )
        ways = "Export the segmentation on the CT's own images"
        ways += ", or make ingest.roi_patterns narrower." if len(found.segments) > 1 else "."
        raise Refused("segmentation_of_other_images", f"{what} {where}. {ways}")
