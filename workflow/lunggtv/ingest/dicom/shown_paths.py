"""Files of a patient in messages: systems name exported files and folders by the patient, and by UIDs."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pydicom
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag

from lunggtv.ingest.dicom.headers import FIRST_BYTES, relative_name
from lunggtv.ingest.dicom.identity import ALL_TAGS, HIDDEN, NOBODY, Identity, identity_of
from lunggtv.ingest.dicom.kinds import RTSTRUCT
from lunggtv.ingest.dicom.limits import BoundedFile, check_deflated, is_deflated
from lunggtv.ingest.dicom.values import READ_ERRORS
from lunggtv.ingest.raw_scan import Reason
from lunggtv.patient_files import PatientFiles
from lunggtv.quiet_pydicom import quiet_pydicom
from lunggtv.wording import NO_UTF8

TAGS: list[BaseTag | int] = [Tag(keyword) for keyword in ("SpecificCharacterSet", *ALL_TAGS)]
LAST = Tag("RequestAttributesSequence")  # what stands behind it, structures and pixels, is not read
CLASS = re.compile(rb"1\.2\.840\.10008\.5\.1\.4\.1\.1[.\d]*")  # of what is stored (DICOM PS3.4, B.5)
STRUCTURES = RTSTRUCT.encode()
UID = re.compile(r"\d+(?:\.\d+){3,}")
LONG_UID, UID_SHOWN = 20, 8  # characters
# In which names were written that are not UTF-8, as old archives and disks hold them.
ENCODINGS = (
    "latin-1", "cp850", "cp852", "cp1250", "cp1251", "cp866", "cp1253", "cp737", "cp1254", "cp857", "cp932", "gb18030",
    "big5", "euc_kr",
)  # fmt: skip


def with_shown_paths(files: PatientFiles, reasons: Sequence[Reason]) -> list[Reason]:
    """The reasons, with the files of a patient named without what names the person in these or in one beside them.

    Headers are read only of the files that stand in a reason, and of some of each kind. The patient's own folder, which
    is the patient in the workflow, stands in no name.
    """
    names = {relative_name(path, files.folder): path for path in files.files}
    told = [name for name in names if any(name in one.text for one in reasons)]
    if not told:
        return list(reasons)
    with quiet_pydicom():
        people = list(_people([names[name] for name in told], files.files))
    shown = _told_apart({name: other for name in told if (other := _shown(name, people)) != name})
    if not shown:
        return list(reasons)
    # A name may stand in a longer one.
    any_of = re.compile("|".join(map(re.escape, sorted(shown, key=len, reverse=True))))
    return [replace(one, text=any_of.sub(lambda found: shown[found[0]], one.text)) for one in reasons]


def _people(told: Sequence[Path], files: Sequence[Path]) -> Iterator[Identity]:
    """Who is named in the headers of ``told``, of all structure sets, and of the first file of each other kind in each
    folder that names anybody: of what one system has made anonymous another may have left as it was."""
    yield from map(_identity, told)
    kinds: dict[tuple[bytes, Path], list[Path]] = defaultdict(list)
    for path in sorted(set(files) - set(told)):
        kind = _kind(path)
        kinds[kind, path if kind == STRUCTURES else path.parent].append(path)
    for alike in kinds.values():
        yield next((one for one in map(_identity, alike) if one is not NOBODY), NOBODY)


def _kind(path: Path) -> bytes:
    """The class of a DICOM file, which stands near its beginning; empty if there is none."""
    with suppress(OSError), open(path, "rb") as file:
        found = CLASS.search(file.read(FIRST_BYTES))
        return found[0] if found else b""
    return b""


def _identity(path: Path) -> Identity:
    with suppress(*READ_ERRORS), open(path, "rb") as file:
        packed = is_deflated(file)
        if packed:
            check_deflated(file)
        source = file if packed else BoundedFile(file)
        header: pydicom.Dataset = read_partial(source, _past_people, force=True, specific_tags=TAGS)  # type: ignore[arg-type]
        return identity_of(header, in_paths=True)
    return NOBODY


def _past_people(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag > LAST


def _shown(name: str, people: Sequence[Identity]) -> str:
    shown = UID.sub(_end_of, name)
    for one in people:
        # What is hidden already parts the text too: it is no text of the name.
        pieces = re.split(f"([/{HIDDEN}])", shown)
        shown = "".join(piece if at % 2 else _hidden(piece, one) for at, piece in enumerate(pieces))
    return shown


def _hidden(piece: str, person: Identity) -> str:
    if NO_UTF8.search(piece) and any(map(person.is_in, _readings(piece))):
        return HIDDEN
    return person.hidden(piece)


def _readings(piece: str) -> Iterator[str]:
    """What a part of a path may say whose bytes are not UTF-8."""
    for encoding in ENCODINGS:
        with suppress(UnicodeDecodeError):
            yield piece.encode("utf-8", "surrogateescape").decode(encoding)


def _told_apart(shown: Mapping[str, str]) -> dict[str, str]:
    """Files by name as they are shown, with a number where several would be shown alike."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name, other in sorted(shown.items()):
        alike[other].append(name)
    return {
        name: other if len(names) == 1 else f"{other} ({at} of {len(names)} by name)"
        for other, names in alike.items()
        for at, name in enumerate(names, 1)
    }


def _end_of(uid: re.Match[str]) -> str:
    text = uid[0]
    return text if len(text) < LONG_UID else HIDDEN + text[-UID_SHOWN:].lstrip(".")
