"""A run's state on disk: written whole, two generations, found again by content.

Layout of the folder of one fingerprint: ``state-<step>.safetensors`` with ``state-<step>.json`` (written
second, holds the digest of the first), ``snapshot-<step>.safetensors``, and once finished ``finished.json``
with the fold's files under ``finished/``. No pickle.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from lunggtv.errors import DamagedFile, refusal_behind
from lunggtv.files import file_digest, read_json, whole_file, write_json
from lunggtv.model.weights import load_tensors, save_tensors

GENERATIONS = 2
OTHER_FINGERPRINTS = 2  # kept beside the present one, so that going back to a setting costs nothing
DIGITS = 16


def fingerprint_of(content: Mapping[str, Any]) -> str:
    """Short digest of plain types; the order of keys does not matter."""
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def open_state_folder(parent: str | Path, fold: int, fingerprint: str) -> Path:
    """The folder of this fold and fingerprint; all but the newest few others of the fold are removed."""
    parent = Path(parent)
    folder = parent / f"fold{fold}-{fingerprint}"
    folder.mkdir(parents=True, exist_ok=True)
    others = [other for other in parent.glob(f"fold{fold}-*") if other != folder and other.is_dir()]
    others.sort(key=lambda other: (other.stat().st_mtime, other.name), reverse=True)
    for stale in others[OTHER_FINGERPRINTS:]:
        shutil.rmtree(stale)
    return folder


def save_state(folder: Path, step: int, tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> None:
    """Write one generation and remove the oldest beyond ``GENERATIONS``."""
    tensor_path, json_path = _paths(folder, step)
    digest = save_tensors(tensor_path, tensors)
    write_json(json_path, {**content, "step": step, "sha256": digest})
    for old in _steps(folder)[:-GENERATIONS]:
        # The JSON goes first: without it the tensors are never read.
        for path in reversed(_paths(folder, old)):
            path.unlink(missing_ok=True)


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest whole generation as (tensors, content), or None; damaged ones are named in the log."""
    for step in reversed(_steps(folder)):
        tensor_path, json_path = _paths(folder, step)
        try:
            content = read_json(json_path)
            if file_digest(tensor_path) != content["sha256"]:
                raise DamagedFile(f"{tensor_path} is not what was written")
            return load_tensors(tensor_path), content
        except (OSError, ValueError, KeyError, DamagedFile) as error:
            _raise_refusal(error)
            logging.warning("State of step %d is damaged and left aside: %s", step, error)
    return None


def save_snapshot(folder: Path, step: int, tensors: Mapping[str, Tensor]) -> None:
    """Keep the averaged weights of one step for validation."""
    save_tensors(folder / f"snapshot-{step:08d}.safetensors", tensors)


def load_snapshots(folder: Path, steps: list[int]) -> dict[str, Tensor]:
    """All snapshots of these steps in one table, named ``<step>/<tensor>``. Raises DamagedFile."""
    tensors = {}
    for step in steps:
        for name, tensor in load_tensors(folder / f"snapshot-{step:08d}.safetensors").items():
            tensors[f"{step:08d}/{name}"] = tensor
    return tensors


def keep_finished(folder: Path, files: Mapping[str, Path]) -> None:
    """Keep copies of a finished fold's files and remove what only an unfinished one needs."""
    digests = {}
    for name, path in files.items():
        _copy(path, folder / "finished" / name)
        digests[name] = file_digest(path)
    write_json(folder / "finished.json", digests)
    for pattern in ("state-*.json", "state-*.safetensors", "snapshot-*.safetensors"):
        for path in folder.glob(pattern):
            path.unlink()


def restore_finished(folder: Path, files: Mapping[str, Path]) -> bool:
    """Put a finished fold's files back; False if it is not finished or a copy is damaged."""
    try:
        digests = read_json(folder / "finished.json")
        whole = all(file_digest(folder / "finished" / name) == digests[name] for name in files)
    except (OSError, ValueError, KeyError) as error:
        _raise_refusal(error)
        return False
    if whole:
        for name, path in files.items():
            _copy(folder / "finished" / name, path)
    return whole


def _raise_refusal(error: Exception) -> None:
    """Raise what the machine refused: a state that cannot be read now is not damaged, and holds hours of training."""
    if (refusal := refusal_behind(error)) is not None:
        raise refusal


def _copy(source: Path, target: Path) -> None:
    with whole_file(target) as partial:
        shutil.copyfile(source, partial)


def _paths(folder: Path, step: int) -> tuple[Path, Path]:
    stem = folder / f"state-{step:08d}"
    return stem.with_suffix(".safetensors"), stem.with_suffix(".json")


def _steps(folder: Path) -> list[int]:
    return sorted(int(path.stem.removeprefix("state-")) for path in folder.glob("state-*.json"))
