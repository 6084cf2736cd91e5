"""The folders that lie between the data folder and what data.image asks for. Standard library only: runs at parse time.

Nobody is left out in silence, so each of them is looked into, with or without a hit below it.
"""

# ruff: noqa: PTH112, PTH113, PTH114, PTH118, PTH119, PTH120

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lunggtv.cohort.path_search import Hit, PathSearch
from lunggtv.cohort.patterns import PLACE, component_expression, fitting, is_part_of_dataset, literal_start
from lunggtv.cohort.scan_kinds import is_dicom


@dataclass(frozen=True)
class PatternWays:
    """``folders`` on the way, the data folder among them; in ``holders`` the files or folders that bear the patients'
    ids may lie; ``named`` are those that the pattern has without a wildcard."""

    folders: frozenset[str]
    holders: frozenset[str]
    named: frozenset[str]


def ways_of(
    paths: PathSearch,
    image: tuple[str, ...],
    by_hits: Collection[str],
    folders: Iterable[str],
    passed_over: Collection[str],
) -> PatternWays:
    """The ways of a pattern.

    Args:
        paths: the data folder.
        image: the pattern's components.
        by_hits: the folders of what bears ids, by the hits (``holders_of``).
        folders: the patients' folders by the pattern.
        passed_over: folders that are no ways, if the pattern does not name them: patients, and what is ignored.
    """
    depth = _depth(image)
    start = literal_start(image[: depth + 1])
    named = {os.path.join(paths.root, *start[:above]) for above in range(1, len(start) + 1)} | {paths.root}
    holders = {*map(os.path.dirname, folders), *by_hits}
    level, ways = {paths.root}, {paths.root}
    for part in image[:depth]:
        if part == "**":
            above = {folder for folder in folders_above(holders, paths.root) if folder not in ways}
            sites = _sites(paths, level, _levels(paths, by_hits) - image.index(part), above, passed_over)
            level = (level | above | sites) - {paths.root}
            ways |= level
            break
        level = {
            path
            for folder in level
            for path in _below(paths, folder, part)
            if path in named or path not in passed_over
        }
        ways |= level
    above_others = folders_above(paths.elsewhere, paths.root) - {paths.root}
    holders |= level
    return PatternWays(frozenset(ways | holders | above_others), frozenset(holders), frozenset(named))


def sites_of(
    paths: PathSearch, image: tuple[str, ...], by_hits: Collection[str], names: Collection[str]
) -> set[str]:
    """Which of the folders ``names`` directly below the data folder are of many patients rather than one patient's,
    though nothing in them is a hit: the pattern has a wildcard there, ids lie deeper, and either the folder that it
    names next (``img`` of ``*/img/{patient}.nii.gz``) is in them, or no DICOM file.

    Of folders of DICOM alone nobody can tell sites from patients, whose parts (CT, RS, a date) would each become
    somebody. That several people lie in one is told by their headers.
    """
    first = image[0]
    fits = _levels(paths, by_hits) > 0 if first == "**" else "*" in first and PLACE not in first
    folders = {name: os.path.join(paths.root, name) for name in names if fits}
    return {
        name
        for name, folder in folders.items()
        if _is_site(paths, first, folder)
        and (_holds_what_is_next(paths, folder, image) or not _is_of_dicom(paths, folder))
    }


def _holds_what_is_next(paths: PathSearch, site: str, image: tuple[str, ...]) -> bool:
    """Whether a folder holds the folder that the pattern names next, and that has no DICOM files in it, as they would
    be its patient's."""
    inner = os.path.join(site, image[1])
    named = image[0] != "**" and "*" not in image[1] and PLACE not in image[1]
    return named and os.path.isdir(inner) and not _has_dicom(paths, inner)


def _is_site(paths: PathSearch, part: str, folder: str) -> bool:
    name = os.path.basename(folder)
    if paths.link_problem(folder) is not None or is_part_of_dataset(name):
        return False
    fits = not os.path.islink(folder) if part == "**" else component_expression(part).fullmatch(name)
    return bool(fits) and not _has_dicom(paths, folder)


def _is_of_dicom(paths: PathSearch, folder: str) -> bool:
    files, problem = paths.below(folder)
    return problem is not None or any(map(is_dicom, files))


def holders_of(
    image: tuple[str, ...], images: Iterable[Hit], label: tuple[str, ...], labels: Iterable[Hit]
) -> set[str]:
    """Folders of what bears the patients' ids, as far as hits tell: those of images, and those of labels where these
    lie in the same tree."""
    in_one_tree = image[: _depth(image)] == label[: _depth(label)]
    return holders_by(images, image) | (holders_by(labels, label) if in_one_tree else set())


def holders_by(hits: Iterable[Hit], parts: tuple[str, ...]) -> set[str]:
    """Folders of what bears the patients' ids, as far as the hits of one pattern tell."""
    holders: set[str] = set()
    depth = _depth(parts)
    if "**" not in parts[depth:]:
        for hit in hits:
            path = hit.path
            for _ in parts[depth:]:
                path = os.path.dirname(path)
            if hit.problem is None or _is_file_of(hit, parts[-1]):
                holders.add(path)
    return holders


def _is_file_of(hit: Hit, last: str) -> bool:
    """Whether a link that leads out is a file of the pattern, whose name ends so, and not any folder above."""
    expression = component_expression(last.replace(PLACE, hit.patient))
    return expression.fullmatch(os.path.basename(hit.path)) is not None


def _depth(parts: tuple[str, ...]) -> int:
    return next(i for i, part in enumerate(parts) if PLACE in part)


def _levels(paths: PathSearch, holders: Collection[str]) -> int:
    """How many folders lie at least between the data folder and what bears the ids; 0 where nobody knows."""
    between = (holder[len(paths.root) :].count(os.sep) for holder in holders)
    return min(between, default=0)


def _sites(
    paths: PathSearch,
    start: Collection[str],
    levels: int,
    known: Collection[str],
    passed_over: Collection[str],
) -> set[str]:
    """Folders without a hit that lie no deeper than all hits do, and in which no DICOM files lie."""
    sites, level = set(), set(start)
    for _ in range(levels):
        below = {
            path
            for folder in level
            for path in _below(paths, folder, "*")
            if path in known or not (path in passed_over or os.path.islink(path) or _has_dicom(paths, path))
        }
        sites |= below
        level = below
    return sites


def _has_dicom(paths: PathSearch, folder: str) -> bool:
    files = (os.path.join(folder, name) for name in paths.names(folder))
    return any(os.path.isfile(path) and is_dicom(path) for path in files)


def _below(paths: PathSearch, folder: str, part: str) -> Iterable[str]:
    """Folders that fit one component; parts of a data set are none, but by their name."""
    for name, _ in fitting(lambda: paths.names(folder), part, None):
        path = os.path.join(folder, name)
        if (
            os.path.isdir(path)
            and path not in paths.elsewhere
            and (name == part or not is_part_of_dataset(name))
        ):
            yield path


def folders_above(paths: Iterable[str], root: str = "") -> set[str]:
    """All folders above some paths; with a ``root`` no higher than that."""
    above: set[str] = set()
    for path in paths:
        while path != root and (path := os.path.dirname(path)) and path not in above and path != os.sep:
            above.add(path)
    return above
