"""What names a person in a DICOM file: read to be kept out of messages, and for nothing else."""

import re

import pydicom

from lunggtv.ingest.dicom.values import text_of

IDENTITY_TAGS = [
    "PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDs", "OtherPatientNames", "AccessionNumber",
    "ReferringPhysicianName", "OperatorsName", "PhysiciansOfRecord", "InstitutionName", "StudyID", "StudyDate",
]  # fmt: skip
LEAST_LETTERS = 3  # of a part of a name that could tell it


def identity_of(dataset: pydicom.Dataset) -> frozenset[str]:
    """The parts of all that names a person in a data set read with IDENTITY_TAGS, in capitals."""
    texts = (text_of(dataset, keyword) for keyword in IDENTITY_TAGS)
    parts = {part for text in texts for part in re.split(r"[^\w]+|_", text.upper())}
    return frozenset(part for part in parts if len(part) >= LEAST_LETTERS)
