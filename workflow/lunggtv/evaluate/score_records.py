"""Scores of many patients from their files, and their numbers in a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lunggtv.files import read_json
from lunggtv.natural_order import natural_key

Paths = Sequence[str | Path]


def read_records(paths: Paths) -> list[Mapping[str, Any]]:
    records = [read_json(path) for path in paths]
    return sorted(records, key=lambda record: natural_key(record["patient"]))


def cell(value: Any) -> Any:
    """Numbers with six digits: a table is for reading, the JSON files hold the rest."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else value
