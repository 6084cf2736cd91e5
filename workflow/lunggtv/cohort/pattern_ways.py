"""The folders that lie between the data folder and what data.image asks for. Standard library only: runs at parse time.

Nobody is left out in silence, so each of them is looked into, with or without a hit below it.
"""

# ruff: noqa: PTH112, PTH118, PTH120

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lunggtv.cohort.path_search import Hit, PathSearch
from lunggtv.cohort.patterns import PLACE, fitting, is_part_of_dataset, literal_start


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
    images: Iterable[Hit],
    folders: Iterable[str],
    passed_over: Collection[str],
) -> PatternWays:
    """The ways of a pattern.

    Args:
        paths: the data folder.
        image: the pattern's components.
        images: its hits.
        folders: the patients' folders by the pattern.
        passed_over: folders that are no ways, if the pattern does not name them: patients, and what is ignored.
    """
    depth = next(i for i, part in enumerate(image) if PLACE in part)
    start = literal_start(image[: depth + 1])
    named = {os.path.join(paths.root, *start[:above]) for above in range(1, len(start) + 1)} | {paths.root}
    holders = set(map(os.path.dirname, folders)) | _holders_of(images, image, depth)
    level, ways = {paths.root}, {paths.root}
    for part in image[:depth]:
        if part == "**":
            above = {folder for folder in folders_above(holders, paths.root) if folder not in ways}
            level = (level | above) - {paths.root}
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


def _holders_of(images: Iterable[Hit], image: tuple[str, ...], depth: int) -> set[str]:
    """Folders of what bears the ids, as far as the hits tell."""
    holders: set[str] = set()
    if "**" not in image[depth:]:
        for hit in images:
            path = hit.path
            for _ in image[depth:]:
                path = os.path.dirname(path)
            holders |= {path} if hit.problem is None else set()
    return holders


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
