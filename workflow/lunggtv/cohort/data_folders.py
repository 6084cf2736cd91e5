"""Who lies in the data folders of both sets, labelled and unlabelled. Standard library only: runs at parse time.

The sets may share a folder, or one may lie in the other; what both see is told once.
"""

import itertools
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from lunggtv.cohort.discover import Discovery, discover
from lunggtv.cohort.discover_words import fits_both, label_of_other, patient_or_site
from lunggtv.cohort.lung_masks import LungMasks
from lunggtv.cohort.named_alike import named_alike, named_together
from lunggtv.cohort.pattern_ways import folders_above
from lunggtv.cohort.patterns import PLACE, literal_start
from lunggtv.cohort.scan_kinds import scans_below
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
    hidden = _lung_folders(roots, lungs)
    joined = _look(data, roots, set(hidden))
    masks = [
        LungMasks(str(Path(root, lungs)), {files.patient for files in joined.patients})
        for root, _, _ in roots
        if lungs
    ]
    of_patients = {path: patient for one in masks for path, patient in one.patients().items()}
    patients = [files for files in joined.patients if not _is_mask_of_another(files, of_patients)]
    unusable = {str(files.folder) for files in patients if files.problem}
    of_nobody = {path: one.shown for one in masks for path in one.of_nobody(unusable)}
    patients = [files for files in patients if str(files.folder) not in of_nobody]
    ignored = _unused(joined.ignored, patients, masks).union(*_beside_lungs(hidden, masks, joined))
    ignored |= named_alike((shown, path) for path, shown in of_nobody.items())
    return Discovery(tuple(patients), tuple(sorted(ignored)))


def _beside_lungs(
    hidden: Mapping[Path, tuple[int, Path]], masks: Sequence[LungMasks], joined: Discovery
) -> list[set[str]]:
    """What lies in the folders of lung masks and is nobody's, as ``LungMasks.others`` gives it."""
    told = {str(path) for files in joined.patients for path in files.files}
    told |= {str(files.folder) for files in joined.patients if files.image is None}
    return [masks[at].others(str(folder), told) for at, folder in hidden.values()]


def _look(
    data: Mapping[str, Any], roots: Sequence[tuple[str, bool, str]], hidden: Collection[Path]
) -> Discovery:
    """What lies in the data folders, but for the folders ``hidden``."""
    found = [
        discover(
            Path(root),
            labelled,
            image,
            data["label"],
            data["follow_links"],
            _below(Path(root), image, _beginnings(Path(root), roots)),
            _below(Path(root), image, hidden),
        )
        for root, labelled, image in roots
    ]
    return _joined(found, [Path(root).resolve() for root, _, _ in roots], [image for _, _, image in roots])


def _beginnings(root: Path, roots: Sequence[tuple[str, bool, str]]) -> set[Path]:
    """The folders in which the sets begin, seen from ``root``: the data folder, or where the images lie in it."""
    here = root.resolve()
    places = ((Path(other).resolve(), pattern) for other, _, pattern in roots)
    return {_beginning(place, pattern) if here.is_relative_to(place) else place for place, pattern in places}


def _below(root: Path, image: str, places: Iterable[Path]) -> set[str]:
    """Those of ``places`` that lie below ``root``, but for those in which its images begin."""
    here = root.resolve()
    own = _beginning(here, image)
    return {
        os.path.join(root, place.relative_to(here))  # noqa: PTH118 - as discovery writes paths
        for place in places
        if place.is_relative_to(here) and not own.is_relative_to(place)
    }


def _lung_folders(roots: Sequence[tuple[str, bool, str]], lungs: str | None) -> dict[Path, tuple[int, Path]]:
    """The folders below the data folders in which nothing but lung masks should lie, by their real path: of which of
    ``roots``, and as that is written."""
    real = [Path(root).resolve() for root, _, _ in roots]
    images = [_beginning(here, image) for here, (_, _, image) in zip(real, roots, strict=True)]
    folders = {
        _beginning(Path(root), lungs).resolve(): (at, _beginning(Path(root), lungs))
        for at, (root, _, _) in enumerate(roots)
        if lungs
    }
    return {
        place: written
        for place, written in folders.items()
        if any(place.is_relative_to(here) for here in real)
        and not any(image.is_relative_to(place) for image in images)
    }


def _beginning(root: Path, pattern: str) -> Path:
    return root.joinpath(*literal_start(PurePath(pattern).parts))


def _joined(found: Sequence[Discovery], places: Sequence[Path], patterns: Sequence[str]) -> Discovery:
    """Both sets as one, by the real paths of their folders and where images lie in them.

    Where they share a folder, a scan that one pattern does not take may be the other's, or be seen twice; and where
    their patterns are unlike, a folder of DICOM files is seen by both, and is labelled. One id twice is left to the
    caller; but in one tree, whose image lies where the other pattern has it is of that set, and what else this one
    found of him is named among the ignored; and where both sets are one folder, so are all files of a stray scan. In
    two folders files of one name are of two people.

    Raises:
        CohortError: an image that fits both patterns, or as ``_outside`` raises it.
    """
    told_apart = len(set(patterns)) > 1
    gives_way = len(set(places)) < len(places)
    one_tree = any(one.is_relative_to(other) for one, other in itertools.permutations(places, 2))
    ignored = {Path(path) for one in found for path in one.ignored}
    everybody = list(_outside(found, places, patterns, ignored))
    used = {path for files, _ in everybody for path in files.files}
    ids = {files.patient for files, strays in everybody if not strays}
    alone = {patient: set(map(Path, labels)) for one in found for patient, labels in one.alone.items()}
    images = {files.image: files for files, _ in everybody if files.image is not None}
    if twin := next((one for one, _ in everybody if one.image and images[one.image] is not one), None):
        raise CohortError(fits_both(str(twin.image)))
    with_image = {files.patient: files for files in images.values()}
    told: set[Path] = set()
    told_scans: set[Path] = set()
    kept = []
    for files, strays in everybody:
        other, labels = with_image.get(files.patient), alone.get(files.patient)
        if labels and other and not one_tree:
            raise CohortError(label_of_other(files.patient, str(min(labels)), str(other.image)))
        if files.problem and other and labels is not None and files.folder in {other.folder, *labels}:
            ignored |= labels | (scans_below(files.folder) - used)
            continue
        unsaid = files.problem is not None or (told_apart and files.image is None)
        if unsaid and (files.folder in told or (files.problem and files.folder in used)):
            continue
        if strays and strays <= ignored | used | told_scans:
            continue
        told.add(files.folder)
        told_scans |= strays
        if strays and gives_way and files.patient in ids:
            ignored |= named_together(strays)
        else:
            ids.add(files.patient)
            kept.append(files)
    return Discovery(tuple(kept), tuple(sorted(map(str, ignored))))


def _outside(
    found: Sequence[Discovery], places: Sequence[Path], patterns: Sequence[str], ignored: set[Path]
) -> Iterator[tuple[PatientFiles, frozenset[Path]]]:
    """Patients, each with the files of a stray. One of the folders may lie in the other, and is no patient there, nor
    is a link to a folder above both, nor a folder in which patients of the other set lie: these are added to
    ``ignored``.

    Raises:
        CohortError: a folder of DICOM files may be a patient of one set or hold several of the other.
    """
    scans = [{files.patient: str(files.image or files.folder) for files in one.patients} for one in found]
    above = [folders_above(places_of.values()) for places_of in scans]
    for at, one in enumerate(found):
        for files in one.patients:
            folder = str(files.folder)
            others = [
                other
                for other in range(len(found))
                if other != at
                and files.image is None
                and folder in above[other]
                and not scans[other].get(files.patient, "").startswith(folder + os.sep)
            ]
            if (
                files.problem is None
                and folder in one.meant
                and any(
                    _may_be_parts(files.folder, found[other], places[other], patterns[other])
                    for other in others
                )
            ):
                raise CohortError(patient_or_site(folder))
            # Of few patients: real paths take their time.
            if others or (
                files.image is None and any(place.is_relative_to(files.folder.resolve()) for place in places)
            ):
                ignored.add(files.folder)
            else:
                yield files, frozenset(map(Path, one.strays.get(files.patient, ())))


def _may_be_parts(folder: Path, others: Discovery, root: Path, pattern: str) -> bool:
    """Whether what the other set finds in a folder may be the parts of one patient: no image is among them, and its
    pattern names neither such a folder nor one in it."""
    inner = [files for files in others.patients if files.folder.is_relative_to(folder)]
    real = folder.resolve()
    level = len(real.relative_to(root).parts) - 1 if real.is_relative_to(root) else 0
    parts = PurePath(pattern).parts
    depth = next(at for at, part in enumerate(parts) if PLACE in part)
    says = "".join(parts[level : depth + 1]).replace(PLACE, "").strip("*")
    return not says and all(files.image is None for files in inner)


def _is_mask_of_another(files: PatientFiles, masks: Mapping[str, str]) -> bool:
    """Whether what was taken for a patient is a lung mask; ``masks`` has the patient of each."""
    place = str(files.image or files.folder)
    return files.label is None and masks.get(place, files.patient) != files.patient


def _unused(
    ignored: Collection[str], patients: Collection[PatientFiles], masks: Iterable[LungMasks]
) -> set[str]:
    """What was passed over and is no file of a patient nor a user's lungs, nor has any below it."""
    if not ignored:
        return set()
    used = {str(path) for files in patients for path in (files.folder, *files.files)}
    used |= folders_above(used)
    used.update(*(one.names() for one in masks))
    return set(ignored) - used
