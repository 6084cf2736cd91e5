"""Does the patient lie as the axes say? Windpipe, spine, heart and liver tell head, back and left.

Only what anatomy makes plain is said, and only as a warning: a volume whose landmarks are hidden, cut off or
contradict one another passes in silence. Axes are LPS, so a correct header passes in any posture.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np

from lunggtv.boxes import BoxOfThree, box_of, size_of
from lunggtv.geometry import Triple
from lunggtv.ingest.anatomy import lung_mask
from lunggtv.ingest.raw_scan import Reason
from lunggtv.mask_parts import label_parts, part_boxes

WINDPIPE_HU = -600
WINDPIPE_MM2 = (80.0, 600.0)  # of its lumen in a slice: 13 to 27 mm across in adults
WINDPIPE_WIDTH_MM = 36.0
MIDLINE_MM = 25.0  # windpipe and spine lie this near to the middle between the lungs' outer walls
END_SHARE = 0.4  # of the lungs' height: where the windpipe is, or at the other end is not
WINDPIPE_RUN_MM = 50.0  # seen without a break in that end: 64 and 81 mm in real scans
WINDPIPE_RATIO = 2.0  # to the run at the other end, where gas in the stomach makes some 35 mm
BONE_HU = 200
SPINE_MM = 15.0  # the spine's distance from the lungs' middle, front to back: 45 to 55 mm in real scans
HEART_BAND = (0.1, 0.45)  # of the lungs' height, from below
HEART_MM = 6.0  # the heart's middle lies 8 to 19 mm left of the spine in real scans
SOFT_HU = (25, 140)  # liver, spleen, muscle; not fat
LIVER_BAND_MM = (-30.0, 0.0)  # below the lowest lung
LIVER_RATIO = 1.3  # soft tissue right of the spine to left of it: 1.7 to 6 in real scans


@dataclass(frozen=True)
class Chest:
    """A thinned volume in LPS order, with the masks of its body and lungs."""

    ct: np.ndarray
    body: np.ndarray
    lungs: np.ndarray
    spacing_mm: Triple

    def flipped(self, axis: int) -> "Chest":
        """The chest with one axis reversed."""
        ct, body, lungs = (np.flip(one, axis) for one in (self.ct, self.body, self.lungs))
        return Chest(ct, body, lungs, self.spacing_mm)

    @cached_property
    def span(self) -> BoxOfThree:
        """The lungs' box; ValueError if there are none."""
        box = box_of(self.lungs)
        if box is None:
            raise ValueError("a chest without lungs has no box of them")
        return box

    @cached_property
    def midline(self) -> float:
        """Index x halfway between the lungs' outer walls."""
        x = self.span[2]
        return (x.start + x.stop - 1) / 2


def check_posture(ct: np.ndarray, body: np.ndarray, spacing_mm: Triple, name: str) -> Iterator[Reason]:
    """Warnings about a volume that is upside down, back to front, or left-right swapped.

    Args:
        ct: HU in LPS order, thinned to about 4 mm.
        body: mask of the body on that grid.
        spacing_mm: of that grid.
        name: of the file or series, for the texts.
    """
    lungs = lung_mask(ct, body, spacing_mm)
    if not lungs.any():
        return
    chest = Chest(ct, body, lungs, spacing_mm)
    if windpipe_is_caudal(chest):
        yield _swapped("upside_down", name, "upside down", "the windpipe lies at the feet's end")
        chest = chest.flipped(0)
    if spine_is_anterior(chest):
        yield _swapped("back_to_front", name, "back to front", "the spine lies in front")
        chest = chest.flipped(1)
    if heart_is_right(chest) and liver_is_left(chest):
        yield _swapped(
            "left_right_swapped", name, "left-right swapped", "the heart lies right, the liver left"
        )


def windpipe_is_caudal(chest: Chest) -> bool:
    """Whether the caudal end of the lungs shows a long windpipe and the cranial end much less of one."""
    height = chest.span[0]
    count = int(END_SHARE * (height.stop - height.start))
    longest_mm = [
        _longest_run([_shows_windpipe(chest, z) for z in end]) * chest.spacing_mm[0]
        for end in (range(height.start, height.start + count), range(height.stop - count, height.stop))
    ]
    return longest_mm[0] >= max(WINDPIPE_RUN_MM, WINDPIPE_RATIO * longest_mm[1])


def spine_is_anterior(chest: Chest) -> bool:
    """Whether bone near the midline lies in front of the lungs' middle, by a clear distance."""
    bone, _ = _midline_bone(chest)
    if not bone.any():
        return False
    behind = np.nonzero(bone)[1].mean() - np.nonzero(chest.lungs[chest.span[0]])[1].mean()
    return bool(behind * chest.spacing_mm[1] < -SPINE_MM)


def heart_is_right(chest: Chest) -> bool:
    """Whether what lies between the lungs, in front and low, has its middle right of the spine."""
    bone, first_x = _midline_bone(chest)
    height, depth, _ = chest.span
    middle_y = int(np.nonzero(chest.lungs[height])[1].mean())
    spine = bone[:, middle_y:]
    if not spine.any():
        return False
    spine_x = np.nonzero(spine)[2].mean() + first_x
    low, high = (height.start + int(share * (height.stop - height.start)) for share in HEART_BAND)
    middles = [
        middle for row in chest.lungs[low:high, depth.start : middle_y].reshape(-1, chest.lungs.shape[2])
        if (middle := _middle_of_gap(row)) is not None
    ]  # fmt: skip
    return bool(middles and (np.mean(middles) - spine_x) * chest.spacing_mm[2] < -HEART_MM)


def liver_is_left(chest: Chest) -> bool:
    """Whether there is much more soft tissue just below the lungs on the left than on the right."""
    height, depth, width = chest.span
    first, last = (height.start + round(mm / chest.spacing_mm[0]) for mm in LIVER_BAND_MM)
    if first < 0:
        return False  # the scan ends too early to see the liver
    block = np.clip(chest.ct[first:last, depth, width], -200, 300).astype(np.float32)
    framed = np.pad(block, ((0, 0), (1, 1), (1, 1)), mode="symmetric")
    smooth = np.lib.stride_tricks.sliding_window_view(framed, (3, 3), (1, 2)).mean((-2, -1))
    soft = (smooth > SOFT_HU[0]) & (smooth < SOFT_HU[1])
    middle, aside = chest.midline - width.start, 15.0 / chest.spacing_mm[2]
    right = np.count_nonzero(soft[..., : int(middle - aside)])
    left = np.count_nonzero(soft[..., int(middle + aside) + 1 :])
    return bool(left > LIVER_RATIO * right)


def _shows_windpipe(chest: Chest, z: int) -> bool:
    _, y_mm, x_mm = chest.spacing_mm
    parts, _ = label_parts(chest.body[z] & (chest.ct[z] < WINDPIPE_HU))
    for part, box in enumerate(part_boxes(parts), start=1):
        depth_mm, width_mm = np.multiply(size_of(box), (y_mm, x_mm))
        columns = box[1]
        off_mm = abs((columns.start + columns.stop - 1) / 2 - chest.midline) * x_mm
        if max(width_mm, depth_mm) > WINDPIPE_WIDTH_MM or off_mm > MIDLINE_MM:
            continue
        area_mm2 = np.count_nonzero(parts[box] == part) * y_mm * x_mm
        if WINDPIPE_MM2[0] <= area_mm2 <= WINDPIPE_MM2[1]:
            return True
    return False


def _midline_bone(chest: Chest) -> tuple[np.ndarray, int]:
    """Bone of the lungs' slices within the midline strip, and the strip's first x."""
    reach = MIDLINE_MM / chest.spacing_mm[2]
    first, last = int(chest.midline - reach), int(chest.midline + reach) + 1
    strip = (chest.span[0], slice(None), slice(max(first, 0), last))
    return (chest.ct[strip] > BONE_HU) & chest.body[strip], max(first, 0)


def _middle_of_gap(row: np.ndarray) -> float | None:
    """Index halfway along the widest gap between lung voxels of a row; None without two sides."""
    lung = np.flatnonzero(row)
    if lung.size < 2:
        return None
    gaps = np.diff(lung)
    widest = int(gaps.argmax())
    return float(lung[widest] + lung[widest + 1]) / 2 if gaps[widest] > 5 else None


def _longest_run(seen: list[bool]) -> int:
    return max((len(list(run)) for one, run in groupby(seen) if one), default=0)


def _swapped(code: str, name: str, how: str, why: str) -> Reason:
    return Reason(
        code,
        f"{name} seems to lie {how}: {why}. Look at the pictures; if that is so, mend the header or convert "
        "the series again, image and label alike.",
    )
