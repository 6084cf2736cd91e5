"""The table of the folds: which of them holds out which patient."""

from collections.abc import Sequence
from pathlib import Path

from lunggtv.tables import write_tsv


def deal_folds(folds: Sequence[tuple[str, int]], table_path: str | Path) -> None:
    """Write pairs of patient and fold, as they were dealt when the run began."""
    write_tsv(table_path, ("patient", "fold"), folds)
