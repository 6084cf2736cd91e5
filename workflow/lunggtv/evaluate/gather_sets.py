"""Means and spread of several sets of scores, side by side."""

from collections.abc import Mapping
from pathlib import Path

from lunggtv.evaluate.score_records import Paths, cell, read_records
from lunggtv.evaluate.spread import spread_columns, spread_rows
from lunggtv.tables import write_tsv


def gather_sets(
    name: str, score_paths: Paths, other_score_paths: Mapping[str, Paths], table_tsv: str | Path
) -> None:
    """Write the means and the spread of several sets of scores of the same patients."""
    sets = {name: score_paths, **other_score_paths}
    records = {set_name: read_records(paths) for set_name, paths in sets.items()}
    rows = [list(map(cell, row)) for row in spread_rows(records)]
    write_tsv(table_tsv, spread_columns(list(sets)), rows)
