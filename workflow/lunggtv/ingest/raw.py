"""What a reader of raw files hands to the checks: arrays as stored, and what it noticed on the way."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lunggtv.geometry import Grid

WARNED = "warned"
REJECTED = "rejected"


@dataclass(frozen=True)
class Reason:
    """One finding about a patient. ``code`` is stable and short; ``text`` is for the user."""

    code: str
    text: str
    severity: str = WARNED


class Refused(Exception):
    """A reader or check cannot go on with a patient. Caught in ``ingest.run``, never shown as a traceback."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.reason = Reason(code, text, REJECTED)


@dataclass(frozen=True)
class PatientFiles:
    """The raw files of one patient, found at parse time. ``image`` is None for a DICOM folder.

    ``files`` are all inputs of the patient's ingest, sorted; for DICOM everything below the folder.
    """

    patient: str
    labelled: bool
    folder: Path
    files: tuple[Path, ...]
    image: Path | None = None
    label: Path | None = None


@dataclass(frozen=True)
class RawScan:
    """A scan as read: arrays (z, y, x) in stored axis order, values after slope and intercept.

    ``ct`` is int16, int32 or float32; ``label`` holds the stored values (DICOM: 0 and 1, already on the
    CT's grid). ``digests`` names the SHA-256 of each source by role (``image``, ``label``, ``rtstruct``);
    ``slice_digests`` is that of each CT slice's file in the order of ``ct``'s z axis, DICOM only. No name,
    id, date or UID of a DICOM header enters any field.
    """

    format: str
    ct: np.ndarray
    grid: Grid
    label: np.ndarray | None
    label_grid: Grid | None
    digests: dict[str, str]
    slice_digests: tuple[str, ...] = ()
    notes: tuple[Reason, ...] = ()
