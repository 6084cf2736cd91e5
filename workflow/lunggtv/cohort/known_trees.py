"""Data sets in a well-known layout, recognised from their names, with the patterns that read them.

Standard library only: runs at parse time, and only where nobody was found as the settings say.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lunggtv.cohort.patterns import PLACE, visible
from lunggtv.image_headers import suffix_of

MASK_WORDS = re.compile(r"mask|seg|label|gtv|roi|tumou?r", re.IGNORECASE)
MOST_DATASETS = 30  # in one folder; where there are more, they are patients
CHANNEL = re.compile(r"_\d{4}\Z")  # nnU-Net: the channel of an image, behind its patient


@dataclass(frozen=True)
class KnownTree:
    """A layout by name, and where it has its files below the data folder; None where it has none."""

    kind: str
    image: str | None
    label: str | None
    unlabelled_image: str | None = None


def recognise(root: str | Path) -> KnownTree | None:
    """The known layout of a data folder, or of the one such folder directly below it."""
    root = Path(root)
    if (tree := _tree(root, root)) is not None:
        return tree
    folders = _folders(root)
    if len(folders) > MOST_DATASETS:
        return None
    below = [tree for folder in folders if (tree := _tree(root, folder)) is not None]
    return below[0] if len(below) == 1 else None


def _tree(root: Path, folder: Path) -> KnownTree | None:
    # A pattern begins below the root; what stands above the layout is a part of it.
    above = "" if folder == root else f"{folder.name}/"
    return _decathlon(folder, above) or _bids(folder, above)


def _decathlon(folder: Path, above: str) -> KnownTree | None:
    """imagesTr, labelsTr and imagesTs of the Medical Segmentation Decathlon and of nnU-Net."""
    image, unlabelled = (_flat(folder / name, above) for name in ("imagesTr", "imagesTs"))
    if image is None and unlabelled is None:
        return None
    named = "_0000" in (image or unlabelled or "")
    return KnownTree(
        "nnU-Net" if named else "the Medical Segmentation Decathlon",
        image,
        _flat(folder / "labelsTr", above),
        unlabelled,
    )


def _flat(folder: Path, above: str) -> str | None:
    """The pattern of a folder with an image file a patient."""
    names = [name for name in _listed(folder) if suffix_of(name)]
    if not names:
        return None
    suffix = suffix_of(names[0]) or ""
    channels = all(CHANNEL.search(name[: -len(suffix_of(name) or "")]) for name in names)
    return f"{above}{folder.name}/{PLACE}{'_0000' if channels else ''}{suffix}"


def _bids(folder: Path, above: str) -> KnownTree | None:
    """sub-<id> folders of the Brain Imaging Data Structure, masks beside the images or below derivatives."""
    for subject in (one for one in _folders(folder) if one.name.startswith("sub-")):
        own = list(_images(subject))
        image = next((path for path in own if not MASK_WORDS.search(path.name)), None)
        if image is None:
            continue
        derived = (path for path in _images(folder / "derivatives") if subject.name in path.parts)
        label = next((path for path in (*own, *derived) if MASK_WORDS.search(path.name)), None)

        def pattern(path: Path, name: str = subject.name) -> str:
            return above + path.relative_to(folder).as_posix().replace(name, f"sub-{PLACE}")

        return KnownTree("BIDS", pattern(image), pattern(label) if label else None, pattern(image))
    return None


def _images(folder: Path) -> Iterator[Path]:
    """Image files below a folder, in the order of their names."""
    for name in _listed(folder):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            yield from _images(path)
        elif suffix_of(name):
            yield path


def _folders(folder: Path) -> list[Path]:
    return [folder / name for name in _listed(folder) if (folder / name).is_dir()]


def _listed(folder: Path) -> list[str]:
    """Names in a folder, sorted; none of a folder that is not there or closed."""
    try:
        return sorted(visible(os.fspath(folder)))
    except OSError:
        return []
