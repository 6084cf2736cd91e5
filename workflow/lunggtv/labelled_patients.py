"""The labelled patients of the run, for its jobs: a training is to know of them all, and depends on a part of them.

As an input of training, the verdicts of all would train anew whatever a verdict says in other words. So the run keeps
the names as it starts, and with them which verdicts are about to be made anew.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lunggtv.files import read_json, write_json

KEPT = Path(".snakemake/lunggtv.labelled.json")


def keep_labelled(labelled: Iterable[str], stale: Mapping[str, str | Path]) -> None:
    """Keep the names of the run's labelled patients.

    Args:
        labelled: the patients.
        stale: patient -> verdict, of those whose verdict is to be made anew.
    """
    old = {patient: _written_at(Path(path)) for patient, path in stale.items()}
    write_json(KEPT, {patient: old.get(patient) for patient in labelled})


def labelled_verdicts(folder: str | Path, known: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The verdicts on the run's labelled patients that are made already.

    Args:
        folder: of ingest, which holds a folder for each patient.
        known: patients that are labelled, should the run have kept none.
    """
    kept = read_json(KEPT) if KEPT.is_file() else dict.fromkeys(known)
    paths = {patient: Path(folder, patient, "verdict.json") for patient in kept}
    return {
        patient: read_json(path)
        for patient, path in paths.items()
        if (written := _written_at(path)) is not None and written != kept[patient]
    }


def _written_at(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.is_file() else None
