"""The files of a patient that was found, or what is the matter with them. Standard library only: runs at parse time."""

# ruff: noqa: PTH119, PTH120

import os
from dataclasses import replace
from pathlib import Path

from lunggtv.cohort.discover_words import misnamed, several
from lunggtv.cohort.foreign_folders import may_be_dicom
from lunggtv.cohort.found_patients import Found
from lunggtv.cohort.path_search import PathSearch
from lunggtv.cohort.patterns import PLACE
from lunggtv.image_headers import detached_data
from lunggtv.patient_files import PatientFiles


def files_of(
    paths: PathSearch, patient: str, found: Found, labelled: bool, image_pattern: str
) -> PatientFiles:
    """The files of one patient, or what is the matter with them."""
    wanted = image_pattern.replace(PLACE, patient)
    hits = [*found.images, *found.labels]
    folder = found.folder or os.path.dirname(hits[0].path)
    problem = found.problem or next((hit.problem for hit in hits if hit.problem), None)
    if problem is None and len(found.images) > 1:
        problem = several("data.image", (hit.path for hit in found.images))
    if problem is None and len(found.labels) > 1:
        problem = several("data.label", (hit.path for hit in found.labels))
    if problem is None and not found.images and found.folder is None:
        problem = f"there is a label, {os.path.basename(hits[0].path)}, but no image {wanted}."
    files: list[str] = []
    if problem is None and not found.images:
        files, problem = paths.below(folder)
        problem = problem or misnamed(files, folder, wanted)
    if problem is not None:
        # A file among those of others is not known by their folder.
        place = found.folder or min(hit.path for hit in hits)
        return PatientFiles(patient, labelled, Path(place), (), problem=problem)
    image, label = (Path(hits[0].path) if hits else None for hits in (found.images, found.labels))
    inputs = {path for path in (image, label) if path is not None}
    inputs |= {data for path in inputs if (data := detached_data(path)) is not None} | set(map(Path, files))
    return PatientFiles(patient, labelled, Path(folder), tuple(sorted(inputs)), image, label)


def opened(files: PatientFiles) -> PatientFiles:
    """The files of a patient, if all may be read: at one that may not, Snakemake itself would stop for everybody."""
    closed = next((path.name for path in files.files if not os.access(path, os.R_OK)), None)
    if closed is None:
        return files
    problem = f"{closed} may not be read (permissions). Make it readable."
    place = files.image or files.folder
    return replace(files, folder=place, files=(), image=None, label=None, problem=problem)


def is_usable(files: PatientFiles) -> bool:
    """Whether there is something to read of a patient, and a label for its image where one is needed."""
    if files.problem is not None or files.image is None:
        return files.problem is None and any(may_be_dicom(str(path)) for path in files.files)
    return files.label is not None or not files.labelled
