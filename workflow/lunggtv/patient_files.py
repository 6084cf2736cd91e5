"""The raw files of a patient. Standard library only: the workflow reads this at parse time."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PatientFiles:
    """The raw files of one patient, found at parse time. ``image`` is None for a DICOM folder, ``label`` where it
    stands in there.

    ``files`` are all inputs of the patient's ingest, sorted; for DICOM everything below the folder.
    ``problem`` says why the files cannot be used at all (a link that leads out, an empty folder); ingest
    rejects the patient with these words. A patient of files that cannot be used has the first of them as ``folder``.
    """

    patient: str
    labelled: bool
    folder: Path
    files: tuple[Path, ...]
    image: Path | None = None
    label: Path | None = None
    problem: str | None = None
