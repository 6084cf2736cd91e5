"""Folders of labels alone: they are no patients, and what else lies in them is named. Standard library only: runs at
parse time."""

# ruff: noqa: PTH112, PTH118, PTH119, PTH206

import itertools
import os
from collections.abc import Collection, Iterable, Mapping

from lunggtv.cohort.found_patients import Found
from lunggtv.cohort.named_alike import named_alike
from lunggtv.cohort.path_search import Hit, PathSearch
from lunggtv.cohort.pattern_ways import folders_above, holders_by
from lunggtv.cohort.patterns import PLACE, component_expression
from lunggtv.cohort.scan_kinds import is_archive, is_dicom, scan_stem
from lunggtv.cohort.stray_names import owner_of


def folders_of_labels(
    paths: PathSearch,
    label: tuple[str, ...],
    image: tuple[str, ...],
    labels: Iterable[str],
    images: Iterable[str],
    folders: Collection[str],
) -> set[str]:
    """Those of ``folders`` that the label pattern names, and that hold no image and no DICOM files; where a wildcard
    is in the name, those that hold labels by the pattern.

    Args:
        paths: the data folder.
        label, image: components of data.label and data.image.
        labels, images: paths that fit data.label and data.image.
        folders: what the image pattern takes for folders of patients.
    """
    own = len(os.path.commonprefix([label, image]))  # noqa: RUF071 - of the way to images, too
    above = list(itertools.takewhile(lambda part: PLACE not in part, label))
    names = [part for part in above[own:] if part.strip("*")]
    with_labels, with_images = folders_above(labels, paths.root), folders_above(images, paths.root)
    expressions = [component_expression(name) for name in names]

    def is_named(path: str) -> bool:
        parts = path[len(paths.root) + 1 :].split(os.sep)
        return any(expression.fullmatch(part) for expression in expressions for part in parts)

    return {
        path
        for path in folders
        if is_named(path)
        and (path in with_labels or os.path.basename(path) in names)
        and path not in with_images
        and not any(map(is_dicom, paths.below(path)[0]))
    }


def others_among_labels(
    paths: PathSearch,
    label: tuple[str, ...],
    labels: Collection[Hit],
    patients: Mapping[str, Found],
    looked_into: Collection[str],
    folders: Collection[str],
) -> set[str]:
    """What lies where labels lie and is none by the pattern, other masks and scans, as it is named among the ignored.

    Args:
        paths: the data folder.
        label: components of data.label.
        labels: its hits.
        patients: everybody by id.
        looked_into: folders whose strays are told already.
        folders: of labels, with or without a hit in them.
    """
    ours = {hit.path for hit in labels}
    of_patients = {entry.folder for entry in patients.values() if entry.folder is not None}
    known = folders_above(ours) | of_patients
    part = next(part for part in label if PLACE in part)
    others: set[str] = set()
    for folder in holders_by(labels, label).union(folders).difference(looked_into):
        told = not of_patients.isdisjoint({folder, *folders_above([folder], paths.root)})
        if told or paths.leads_elsewhere(folder):
            continue
        alike = []
        for name in sorted(paths.names(folder)):
            path = os.path.join(folder, name)
            if path in ours or path in known or paths.leads_elsewhere(path):
                continue
            if os.path.isdir(path):
                scans = any(scan_stem(file) is not None for file in paths.below(path)[0])
                others.update([path] if scans else [])
            elif is_archive(name):
                alike.append((os.path.join(folder, f"*{name[name.rindex('.') :]}"), path))
            elif (stem := scan_stem(path)) is not None:
                owner = owner_of(stem, part, patients)
                start, end = owner.place if owner.patient in patients else (0, 0)
                shown = f"{name[:start]}*{name[end:]}" if end else name
                alike.append((os.path.join(folder, shown), path))
        others |= named_alike(alike)
    return others
