"""Why a patient's draft needs a closer look. Every draft is reviewed; these come first."""

from collections.abc import Iterator, Sequence

import numpy as np

from lunggtv.geometry import Shape
from lunggtv.infer.draft_lesions import Lesion
from lunggtv.infer.uncertainty import Uncertainty

# Mean entropy of 0.72 bits is that of a probability of 0.2 or 0.8 all over the draft and its border.
VAGUE_BITS = 0.72
# More separate parts than this are rarely all tumour.
MANY_LESIONS = 3
FACES = (("caudal", "cranial"), ("anterior", "posterior"), ("right", "left"))


def review_reasons(
    lesions: Sequence[Lesion],
    uncertainty: Uncertainty,
    threshold: float,
    dropped_ml: float,
    faces: Sequence[str],
    fallback: bool,
    expected_dice: float | None,
    review_dice: float,
) -> Iterator[str]:
    """Reasons in plain words, the gravest first.

    Args:
        lesions: what was drawn.
        uncertainty: of the prediction.
        threshold: probability from which voxels are drawn.
        dropped_ml: volume of the parts that were too small to keep.
        faces: faces of the lung box that the draft touches, see ``touched_faces``.
        fallback: the cache holds the body's box, because no plausible lungs were found.
        expected_dice: calibrated estimate, or None.
        review_dice: Dice below this calls for a closer look.
    """
    if not lesions:
        found = f"highest probability {uncertainty.peak:.2f}, drawn from {threshold:.2f}"
        if dropped_ml > 0:
            found += f"; {dropped_ml:.2f} ml in parts below the smallest lesion were dropped"
        yield f"No GTV found ({found})."
    if fallback:
        yield "No plausible lungs were found; the whole body was searched."
    if faces:
        yield f"The draft reaches the {', '.join(faces)} end of the lung box; the tumour may go on beyond it."
    if expected_dice is not None and expected_dice < review_dice:
        yield f"The expected Dice is {expected_dice:.2f}, below {review_dice:.2f}."
    if uncertainty.pairwise_dice is not None and uncertainty.pairwise_dice < review_dice:
        yield (
            f"{uncertainty.members} predictions disagree: their mean Dice with each other is "
            f"{uncertainty.pairwise_dice:.2f}, below {review_dice:.2f}."
        )
    if lesions and uncertainty.entropy_bits is not None and uncertainty.entropy_bits > VAGUE_BITS:
        yield f"The probability is vague (mean entropy {uncertainty.entropy_bits:.2f} bits)."
    if len(lesions) > MANY_LESIONS:
        yield f"The draft has {len(lesions)} separate parts."


def touched_faces(mask: np.ndarray, start: Shape, full_shape: Shape) -> list[str]:
    """Faces of the box that the mask (z, y, x) touches, but for those where the scan itself ends.

    Args:
        mask: on the box.
        start: the box's first voxel in the scan.
        full_shape: the scan's shape.
    """
    touched = []
    for axis, (low, high) in enumerate(FACES):
        planes = np.moveaxis(mask, axis, 0)
        if planes[0].any() and start[axis] > 0:
            touched.append(low)
        if planes[-1].any() and start[axis] + mask.shape[axis] < full_shape[axis]:
            touched.append(high)
    return touched
