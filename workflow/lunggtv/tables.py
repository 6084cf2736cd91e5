"""Tables of text, a line a row, columns apart by tabs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lunggtv.files import write_text


def write_tsv(path: str | Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table: header, then one line a row; ``None`` is an empty cell.

    Tabs and line breaks inside a cell become blanks, so that a row stays a row.
    """
    lines = ["\t".join(columns)]
    lines += ["\t".join(_cell(value) for value in row) for row in rows]
    write_text(path, "\n".join(lines) + "\n")


def read_tsv(path: str | Path) -> list[dict[str, str]]:
    """Read a table written by ``write_tsv`` as one dict of texts a row.

    Raises ValueError if a row has more or fewer cells than there are columns, or a column stands twice.
    """
    header, *lines = Path(path).read_text(encoding="utf-8").splitlines()
    columns = header.split("\t")
    if twice := [column for column in columns if columns.count(column) > 1]:
        raise ValueError(f"column {twice[0]} stands twice")
    return [dict(zip(columns, line.split("\t"), strict=True)) for line in lines]


def _cell(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())
