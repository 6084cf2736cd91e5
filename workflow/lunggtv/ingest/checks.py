"""What can be wrong with an image and its label, one pure function each; none stops at another's finding."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from lunggtv.boxes import box_of
from lunggtv.geometry import Grid, Shape
from lunggtv.ingest.hounsfield import NARROW
from lunggtv.ingest.raw_scan import NOTED, REJECTED, WARNED, Reason, Refused
from lunggtv.mask_grids import WHOLE_WITHIN, crop_start, off_whole
from lunggtv.mask_parts import label_parts
from lunggtv.wording import by, few

SHOWN = 8  # values listed in a message
SPECK_VOXELS = 3  # a part of the label no larger than this is a slip of the pen
MOST_OUTSIDE = 0.5  # share of the label outside the body at which it cannot belong to this CT
SOME_OUTSIDE = 0.05
OUTER_AIR_HU = -930  # air and padding; lung in a tumour's label is denser
NEW_LABEL = "Export the label again on the CT's own grid."


def check_grids(
    image: Grid, label: Grid, spacing_tolerance_mm: float, position_tolerance_mm: float
) -> Iterator[Reason]:
    """Whether the label lies on the image's grid, or on a box of it: shape, spacing, origin, direction.

    Args:
        label: with its axes along those of the image.
    """
    off_mm = np.abs(np.subtract(image.spacing_mm, label.spacing_mm)).max()
    is_scaled = off_mm > spacing_tolerance_mm
    if is_scaled:
        yield _rejected(
            "spacing_differs",
            f"The label's voxel spacing (x, y, z) is {by(label.spacing_mm[::-1], '.6g')} mm, the image's "
            f"{by(image.spacing_mm[::-1], '.6g')} mm: more apart than ingest.spacing_tolerance_mm allows. {NEW_LABEL}",
        )
    # What the turn alone does at the corner farthest from the origin.
    corners = (image.corners * image.spacing_mm)[:, ::-1]
    turned_mm = float(np.linalg.norm(corners @ (image.matrix - label.matrix).T, axis=1).max())
    is_turned = turned_mm > position_tolerance_mm
    if label.shape == image.shape:
        yield from _check_origin(image, label, "the image's", position_tolerance_mm)
    elif not is_scaled and not is_turned:
        yield from _check_box(image, label, position_tolerance_mm)
    if is_turned:
        yield _rejected(
            "direction_differs",
            f"The label's axes point elsewhere than the image's: {turned_mm:.3g} mm apart at a corner, more "
            f"than ingest.position_tolerance_mm allows. {NEW_LABEL}",
        )


def _check_box(image: Grid, label: Grid, tolerance_mm: float) -> Iterator[Reason]:
    start = crop_start(label, image)
    if start is None:
        yield _rejected(
            "shape_differs",
            f"The label has {by(label.shape[::-1])} voxels, the image {by(image.shape[::-1])}, and the label reaches "
            f"beyond the image. {NEW_LABEL}",
        )
        return
    yield from _check_origin(
        image.cropped(start, label.shape), label, "the nearest voxel of the image", tolerance_mm
    )


def _check_origin(image: Grid, label: Grid, owner: str, tolerance_mm: float) -> Iterator[Reason]:
    off_mm = float(np.linalg.norm(np.subtract(image.origin_mm, label.origin_mm)))
    if off_mm > tolerance_mm:
        yield _rejected(
            "origin_differs",
            f"The label's origin lies {off_mm:.3g} mm from {owner}, more than "
            f"ingest.position_tolerance_mm allows. {NEW_LABEL}",
        )


def check_crop(
    mask: np.ndarray, start: Shape, shape: Shape, name: str, slices: int | None = None
) -> Iterator[Reason]:
    """What a label that covers only a box of the image says of itself.

    Viewers crop a label to what is drawn, or to a box around it. Where the GTV ends at some of the box's sides, though
    not at all of them, the box may have cut it.

    Args:
        mask: the label within its box, 0 and 1.
        start: the box's first voxel in the image of ``shape``.
        slices: of the CT, where its grid has planes between them; else None.

    Raises:
        Refused: the mask has the CT's slices, but not the planes between them, so that its planes lie elsewhere.
    """
    if slices is not None and mask.shape == (slices, *shape[1:]):
        raise Refused(
            "label_of_slices_alone",
            f"{name} has as many planes as the CT has slices ({slices}), one distance apart, but the CT's distances "
            "vary: a tool that wrote the slices one after the other has lost where they lie. Give the contours as "
            "RTSTRUCT, or resample CT and label together onto one spacing.",
        )
    sides = [
        bool(np.any(mask.take(end, axis)))
        for axis, (first, count, full) in enumerate(zip(start, mask.shape, shape, strict=True))
        for end, inner in ((0, first > 0), (count - 1, first + count < full))
        if inner
    ]
    cut = any(sides) and not all(sides)
    text = (
        f"{name} covers {by(mask.shape[::-1])} of the image's {by(shape[::-1])} voxels; it was placed by its geometry, "
        f"from voxel {by(start[::-1])} on, and the rest is no GTV"
    )
    if cut:
        text += ". The GTV ends at a side of it: look whether it was cut there"
    if slices is not None:
        text += ". The CT's slices are not evenly apart: look whether it lies on the tumour"
    yield Reason("label_cropped", f"{text}.", WARNED if cut or slices is not None else NOTED)


def check_finite(array: np.ndarray, name: str) -> Iterator[Reason]:
    """NaN and infinity; whole numbers cannot hold any."""
    if array.dtype.kind != "f":
        return
    bad = sum(int(slab.size - np.count_nonzero(np.isfinite(slab))) for slab in array)
    if bad:
        yield _rejected(
            "not_finite", f"{name} holds NaN or infinity in {bad} voxels. Export it again as whole numbers."
        )


def label_mask(label: np.ndarray, gtv_values: Sequence[int], name: str) -> np.ndarray:
    """The GTV as uint8 0 and 1.

    Raises:
        Refused: fractions, or values other than 0 and ``gtv_values``; the values found are listed.
    """
    off = off_whole(label)
    if not off <= WHOLE_WITHIN:
        raise Refused(
            "label_fractional",
            f"{name} holds fractions: it is a probability or was interpolated. Export the drawn mask itself, "
            "0 and 1.",
        )
    if label.min() < NARROW.min or label.max() > NARROW.max:
        ends = np.unique(np.clip([label.min(), label.max()], -1e15, 1e15))
        raise _other_values(name, [int(end) for end in ends], gtv_values)
    whole = (
        label if label.dtype.kind in "iu" else np.stack([np.rint(slab).astype(np.int16) for slab in label])
    )
    drawn = whole[whole != 0]
    values = sorted({*([0] if drawn.size < whole.size else []), *map(int, np.unique(drawn))})
    if not set(values) <= {0, *gtv_values}:
        raise _other_values(name, values, gtv_values)
    mask = np.zeros(label.shape, np.uint8)
    for value in gtv_values:
        if value in values:
            mask |= whole == value
    return mask


def check_whole(label: np.ndarray, name: str) -> Iterator[Reason]:
    """Whether the values of a mask had to be rounded, as after storage with a scale factor."""
    off = off_whole(label)
    if 0 < off <= WHOLE_WITHIN:
        yield Reason(
            "label_rounded",
            f"{name} holds values up to {off:.2g} beside whole numbers, as a scale factor leaves them; rounded.",
            NOTED,
        )


def check_label(sizes: np.ndarray, name: str) -> Iterator[Reason]:
    """Whether the label is empty, one voxel, or has specks; ``sizes`` as ``component_sizes`` gives them."""
    specks = int(np.count_nonzero(sizes <= SPECK_VOXELS))
    if sizes.size == 0:
        yield _rejected(
            "label_empty",
            f"{name} is empty: no voxel is GTV. Draw the GTV, or put the patient under data.unlabelled.",
        )
    elif sizes.sum() == 1:
        yield _rejected(
            "label_one_voxel",
            f"{name} marks a single voxel, which is a click and no GTV. Draw the GTV again.",
        )
    elif 0 < specks < sizes.size:
        yield Reason(
            "label_specks",
            f"{name} has {specks} specks of at most {SPECK_VOXELS} voxels beside its "
            f"{sizes.size - specks} larger parts. They are kept; remove them if they are slips.",
        )


def check_label_in_body(mask: np.ndarray, ct: np.ndarray, body: np.ndarray, name: str) -> Iterator[Reason]:
    """Whether the label lies in the patient. ``mask``, ``ct`` (HU) and ``body`` are on one grid.

    Outside is what is neither body nor denser than outer air: where the field of view cuts the body, lung
    may be missing from its mask.
    """
    count = int(np.count_nonzero(mask))
    if count == 0 or not body.any():
        return
    drawn = mask != 0
    outside = np.count_nonzero(drawn & ~body & (ct < OUTER_AIR_HU)) / count
    if outside > MOST_OUTSIDE:
        yield _rejected(
            "label_outside_body",
            f"{outside:.0%} of {name} lies outside the body: it belongs to another CT, or was flipped. {NEW_LABEL}",
        )
    elif outside > SOME_OUTSIDE:
        yield Reason(
            "label_partly_outside", f"{outside:.0%} of {name} lies outside the body. Check the drawing."
        )


def check_repeated_slices(digests: Sequence[str | None], name: str) -> Iterator[Reason]:
    """Whether slices are copies of the one below; ``digests`` of the slices, None for empty ones."""
    repeats = sum(one is not None and one == below for below, one in pairwise(digests))
    if repeats:
        yield Reason(
            "repeated_slices",
            f"{name} has {repeats} slices that repeat the slice below, voxel by voxel: slices were missing and "
            "filled, or were stored twice. Convert the series again.",
        )


def component_sizes(mask: np.ndarray) -> np.ndarray:
    """Voxels of each connected part (corners count as connected), largest first; none for an empty mask."""
    box = box_of(mask)
    if box is None:
        return np.zeros(0, int)
    parts, _ = label_parts(mask[box], corners=True)
    return np.sort(np.bincount(parts.reshape(-1))[1:])[::-1]


def _other_values(name: str, values: list[int], gtv_values: Sequence[int]) -> Refused:
    return Refused(
        "label_values",
        f"{name} holds the values {few(list(map(str, values)), SHOWN)}; known are 0 and "
        f"{', '.join(map(str, gtv_values))}. Name those that are GTV in ingest.gtv_values, or export the GTV "
        "alone.",
    )


def _rejected(code: str, text: str) -> Reason:
    return Reason(code, text, REJECTED)
