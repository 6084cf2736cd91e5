"""Folds that the user fixes, in a table of the user's own: as spreadsheets, editors and scripts write one."""

import codecs
from collections import Counter
from pathlib import Path

from lunggtv.errors import CohortError
from lunggtv.natural_order import natural_key

COLUMNS = ("patient", "fold")
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # a spreadsheet's "Unicode text"


def read_pinned(path: str | Path) -> dict[str, int]:
    """Folds fixed by the user: a table with the columns patient and fold, apart by tabs.

    A byte order mark, line ends of any system, lines without a word, other columns, and cells that are left out at
    a line's end do not matter.

    Raises:
        CohortError: the table is missing or unreadable, a fold is not a whole number, or a patient stands twice.
    """
    try:
        rows = [(patient, _fold(fold, number)) for number, patient, fold in _rows(_text(Path(path)))]
    except (OSError, ValueError) as error:
        raise CohortError(
            f"folds.pinned: {path} must be a tab-separated table with the columns patient and fold ({error})."
        ) from error
    counts = Counter(patient for patient, _ in rows)
    if twice := sorted((patient for patient, count in counts.items() if count > 1), key=natural_key):
        raise CohortError(
            f"folds.pinned: {path} names patients more than once: {', '.join(twice)}. Keep one row each."
        )
    return dict(rows)


def _text(path: Path) -> str:
    content = path.read_bytes()
    return content.decode(BYTE_ORDER_MARKS.get(content[:2], "utf-8-sig"))


def _rows(text: str) -> list[tuple[int, str, str]]:
    """Number of the line, patient and fold of every row; raises ValueError."""
    # Not str.splitlines: it takes more signs for a line's end than any editor.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    written = [(number, _cells(line)) for number, line in enumerate(lines, 1) if line.strip()]
    if not written:
        raise ValueError("it is empty")
    (_, header), *rows = written
    if twice := [name for name, count in Counter(filter(None, header)).items() if count > 1]:
        raise ValueError(f"column {twice[0]} stands twice")
    if missing := [name for name in COLUMNS if name not in header]:
        raise ValueError(
            f"the column {missing[0]} is missing; its first line is {lines[written[0][0] - 1]!r}"
        )
    places = [header.index(name) for name in COLUMNS]
    found = []
    for number, cells in rows:
        if len(cells) > len(header) and any(cells[len(header) :]):
            raise ValueError(f"line {number} has {len(cells)} cells for {len(header)} columns")
        patient, fold = (cells[place] if place < len(cells) else "" for place in places)
        if not patient:
            raise ValueError(f"line {number} names no patient")
        found.append((number, patient, fold))
    return found


def _cells(line: str) -> list[str]:
    """The cells of a line, without the quotes and blanks that may stand about them."""
    return [cell.strip().removeprefix('"').removesuffix('"').strip() for cell in line.split("\t")]


def _fold(text: str, line: int) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"line {line}: {text!r} is no fold" if text else f"line {line} has no fold")
    return int(text)
