"""Who lies in the data folders of both sets, labelled and unlabelled. Standard library only: runs at parse time.

The sets may share a folder, or one may lie in the other; what both see is told once.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from lunggtv.cohort.discover import Discovery, discover
from lunggtv.cohort.patterns import PLACE, component_expression, literal_start
from lunggtv.cohort.scan_kinds import scan_stem
from lunggtv.cohort.stray_scans import named_together
from lunggtv.errors import CohortError
from lunggtv.patient_files import PatientFiles


def look_into(data: Mapping[str, Any], lungs: str | None, may_lack_labelled: bool) -> Discovery:
    """What lies in both folders, the user's own lung masks left out.

    Args:
        data: the settings ``data``.
        lungs: where lung masks of the user's own lie below the folders (cache.lungs).
        may_lack_labelled: with a model at hand nobody needs a label, so that folder may be missing.

    Raises:
        CohortError: no folder is named, or as ``discover`` raises it.
    """
    own = data["unlabelled_image"] or data["image"]
    roots = [(data["labelled"], True, data["image"]), (data["unlabelled"], False, own)]
    if may_lack_labelled and data["labelled"] is not None and not Path(data["labelled"]).is_dir():
        roots = roots[1:]
    roots = [wanted for wanted in roots if wanted[0] is not None]
    if not roots:
        raise CohortError(
            "There is nobody to work on: name a folder of patients as data.unlabelled (drafts only) or "
            "data.labelled in config.yaml."
        )
    found = [
        discover(
            Path(root),
            labelled,
            image,
            data["label"],
            data["follow_links"],
            _elsewhere(Path(root), image, roots, lungs),
        )
        for root, labelled, image in roots
    ]
    joined = _joined(found, [Path(root) for root, _, _ in roots], own != data["image"])
    masks = {
        Path(root, lungs.replace(PLACE, files.patient)): files.patient
        for root, _, _ in roots
        for files in joined.patients
        if lungs
    }
    patients = [files for files in joined.patients if not _is_mask_of_another(files, masks)]
    return Discovery(tuple(patients), _unused(joined.ignored, patients, lungs))


def _elsewhere(root: Path, image: str, roots: Sequence[tuple[str, bool, str]], lungs: str | None) -> set[str]:
    """The folders below ``root`` in which the other set begins, its data folder or where its images lie; and that of
    the lung masks, unless others lie in it, which are somebody's scan."""
    here = root.resolve()
    own = _beginning(here, image)
    places = {_beginning(here, lungs)} if lungs else set()
    of_lungs = set(places)
    for other, _, pattern in roots:
        place = Path(other).resolve()
        places.add(_beginning(place, pattern) if here.is_relative_to(place) else place)
    return {
        os.path.join(root, place.relative_to(here))  # noqa: PTH118 - as discovery writes paths
        for place in places
        if place.is_relative_to(here) and not own.is_relative_to(place)
        if place not in of_lungs or not _holds_others(place, PurePath(lungs or PLACE).name)
    }


def _beginning(root: Path, pattern: str) -> Path:
    return root.joinpath(*literal_start(PurePath(pattern).parts))


def _holds_others(folder: Path, mask: str) -> bool:
    """Whether scans lie in a folder that are not named as the masks."""
    fits = component_expression(mask).fullmatch
    files = (path for path in folder.rglob("[!.]*") if not fits(path.name) and path.is_file())
    return any(scan_stem(str(path)) is not None for path in files)


def _joined(found: Sequence[Discovery], roots: Sequence[Path], told_apart: bool) -> Discovery:
    """Both sets as one. Where they share a folder, a scan that one pattern does not take may be the other's, or be
    seen twice; and where their patterns are ``told_apart``, a folder of DICOM files is seen by both, and is labelled.
    One id twice is left to the caller; but where both sets are one folder, a stray scan gives way: all its files are
    named among the ignored. In two folders files of one name are of two people."""
    places = [root.resolve() for root in roots]
    gives_way = len(set(places)) < len(places)
    ignored = {Path(path) for one in found for path in one.ignored}
    everybody = list(_outside(found, places, ignored))
    used = {path for files, _ in everybody for path in files.files}
    ids = {files.patient for files, strays in everybody if not strays}
    told: set[tuple[str, Path]] = set()
    told_scans: set[Path] = set()
    kept = []
    for files, strays in everybody:
        place = (files.patient, files.folder)
        unsaid = files.problem is not None or (told_apart and files.image is None)
        if unsaid and (place in told or (files.problem and files.folder in used)):
            continue
        if strays and strays <= ignored | used | told_scans:
            continue
        told.add(place)
        told_scans |= strays
        if strays and gives_way and files.patient in ids:
            ignored |= named_together(strays)
        else:
            ids.add(files.patient)
            kept.append(files)
    return Discovery(tuple(kept), tuple(sorted(map(str, ignored))))


def _outside(
    found: Sequence[Discovery], places: Sequence[Path], ignored: set[Path]
) -> Iterator[tuple[PatientFiles, frozenset[Path]]]:
    """Patients, each with the files of a stray. One of the folders may lie in the other, and is no patient there, nor
    is a link to a folder above both: that is added to ``ignored``."""
    for one in found:
        for files in one.patients:
            within = (place.is_relative_to(files.folder.resolve()) for place in places)
            if files.image is not None or not any(within):
                yield files, frozenset(map(Path, one.strays.get(files.patient, ())))
            else:
                ignored.add(files.folder)


def _is_mask_of_another(files: PatientFiles, masks: Mapping[Path, str]) -> bool:
    """Whether what was taken for a patient is a lung mask; ``masks`` has the patient of each."""
    return files.label is None and masks.get(files.image or files.folder, files.patient) != files.patient


def _unused(ignored: Sequence[str], patients: Collection[PatientFiles], lungs: str | None) -> tuple[str, ...]:
    """Folders that were passed over and in which no file of a patient lies, nor a user's lungs."""
    used = {str(path) + os.sep for files in patients for path in (files.folder, *files.files)}
    first_and_last = {lungs.split("/")[0], lungs.split("/")[-1]} if lungs else set()
    of_lungs = [component_expression(part).fullmatch for part in first_and_last]
    return tuple(
        path
        for path in ignored
        if not any(file.startswith(path + os.sep) for file in used)
        and not any(fits(Path(path).name) for fits in of_lungs)
    )
