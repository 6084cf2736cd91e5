"""Which contours enclose something: by the type that a contour names, or where that says too little, by its points.

DICOM knows POINT, OPEN_PLANAR, OPEN_NONPLANAR, CLOSED_PLANAR and CLOSEDPLANAR_XOR (PS3.3, C.8.8.6.3). Others are
written: INTERPOLATED_PLANAR by planning systems for slices that nobody drew on, underscores left out or added.
"""

import re
from dataclasses import dataclass

import numpy as np

from lunggtv.ingest.dicom.identity import NOBODY, Identity

CLOSED = {"CLOSEDPLANAR", "CLOSEDPLANARXOR"}
INTERPOLATED_PLANAR = "INTERPOLATED_PLANAR"
OPEN = {"POINT", "OPENPLANAR", "OPENNONPLANAR"}
LEAST_POINTS = 3  # fewer enclose nothing
MEETING_MM = 0.01  # ends of a contour this near to each other are one point
# What a code string of DICOM may hold (PS3.5, 6.2); anything else is damage and is not shown.
TERM = re.compile(r"[A-Z0-9_ ]{1,16}")


@dataclass(frozen=True)
class Kind:
    """What a contour is; ``unusual`` is its type's name where it is closed but DICOM does not say so."""

    closed: bool
    exclusive: bool = False
    unusual: str = ""


class UnknownKind(Exception):
    """A contour of which neither type nor points say whether it encloses anything; the text is for the user."""


def judge_kind(name: str, points: np.ndarray, roi: str, identity: Identity = NOBODY) -> Kind:
    """The kind of a contour.

    Args:
        name: its ContourGeometricType, as it stands there.
        points: (n, 3) in mm.
        roi: the ROI's name, for the message.
        identity: what names a person in the file; a type that holds it is not shown.

    Raises:
        UnknownKind: the type is none that is known, and the contour does not end where it began.
    """
    letters = re.sub("[^A-Z]", "", name.upper())
    if len(points) < LEAST_POINTS:
        return Kind(closed=False)
    if letters in CLOSED:
        return Kind(closed=True, exclusive=letters.endswith("XOR"))
    is_term = TERM.fullmatch(name) and not identity.is_in(name)
    shown = name if is_term else "that is no word of DICOM's" if name else "that is missing"
    if letters == INTERPOLATED_PLANAR.replace("_", ""):
        return Kind(closed=True, unusual=INTERPOLATED_PLANAR)
    if len(points) > LEAST_POINTS and np.linalg.norm(points[0] - points[-1]) <= MEETING_MM:
        return Kind(closed=True, unusual=shown)
    if letters in OPEN:
        return Kind(closed=False)
    raise UnknownKind(
        f"a contour of ROI '{roi}' has a type {shown}, and its ends do not meet: whether it encloses a part of the "
        "GTV cannot be told. Export the GTV as closed contours (CLOSED_PLANAR)."
    )
