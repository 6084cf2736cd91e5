"""What a reader of raw files hands to the checks: arrays as stored, and what it noticed on the way."""

from dataclasses import dataclass

import numpy as np

from lunggtv.geometry import Grid

NOTED = "noted"  # told in the verdict, but no reason for doubt: the patient stays accepted
WARNED = "warned"
REJECTED = "rejected"


@dataclass(frozen=True)
class Reason:
    """One finding about a patient. ``code`` is stable and short; ``text`` is for the user."""

    code: str
    text: str
    severity: str = WARNED


class Refused(Exception):
    """A reader or check cannot go on with a patient. Caught in ``ingest_patient``, never shown as a traceback."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.reason = Reason(code, text, REJECTED)


@dataclass(frozen=True)
class RawScan:
    """A scan as read: arrays (z, y, x) in stored axis order, values after slope and intercept.

    ``ct`` is int16, int32 or float32; ``label`` holds the stored values (DICOM: 0 and 1, already on the
    CT's grid). ``digests`` names the SHA-256 of each source by role (``image``, ``label``, ``rtstruct``);
    ``slice_digests`` is that of each CT slice's file in the order of ``ct``'s z axis, None for a plane that was
    interpolated between slices, DICOM only. No name, id, date or UID of a DICOM header enters any field.
    """

    format: str
    ct: np.ndarray
    grid: Grid
    label: np.ndarray | None
    label_grid: Grid | None
    digests: dict[str, str]
    slice_digests: tuple[str | None, ...] = ()
    notes: tuple[Reason, ...] = ()
