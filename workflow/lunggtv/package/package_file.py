"""A model package: one zip with all that inference needs, and a digest over every byte of it. No pickle.

Members, stored uncompressed in this order: ``package.json`` (settings, number of models, digest of each other
member), ``MODEL_CARD.md``, ``calibration.json``, ``fold<k>/model.json`` and ``fold<k>/weights.safetensors`` of
each model, and ``selftest/ct.nii.gz`` with ``selftest/expected.nii.gz``. The zip's comment is the SHA-256 of
all bytes before it. Nothing names a patient. Light enough to be read while the workflow is parsed.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lunggtv.errors import DamagedFile
from lunggtv.files import json_text, whole_file

SCHEMA = 1
MANIFEST = "package.json"
CARD = "MODEL_CARD.md"
CALIBRATION = "calibration.json"
SELFTEST_CT = "selftest/ct.nii.gz"
SELFTEST_EXPECTED = "selftest/expected.nii.gz"
COMMENT_BYTES = 64
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold: packages carry none
BLOCK = 1 << 20
MAX_FOLDS = 20  # as the schema of the settings has it
MANIFEST_LIMIT = 1 << 20  # bytes; it is read on every start
SETTINGS = {"cache", "infer"}  # the sections of the settings that a package may bring


def member_names(folds: int) -> list[str]:
    """Names of all members but the manifest, in order."""
    models = [name for fold in range(folds) for name in model_names(fold)]
    return [CARD, CALIBRATION, *models, SELFTEST_CT, SELFTEST_EXPECTED]


def model_names(fold: int) -> tuple[str, str]:
    """Names of a model's card and weights."""
    return (f"fold{fold}/model.json", f"fold{fold}/weights.safetensors")


def write_package(
    path: str | Path, members: Mapping[str, bytes], folds: int, settings: Mapping[str, Any]
) -> None:
    """Write a package, whole or not at all; same content, same bytes.

    Args:
        path: the zip to write.
        members: content of each of ``member_names(folds)``.
        folds: number of models.
        settings: plain settings that drafts by these models need, by config section.
    """
    manifest = {
        "files": {name: hashlib.sha256(members[name]).hexdigest() for name in member_names(folds)},
        "folds": folds,
        "schema": SCHEMA,
        "settings": dict(settings),
    }
    with whole_file(path) as partial:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            archive.comment = b"0" * COMMENT_BYTES
            _add(archive, MANIFEST, json_text(manifest).encode())
            for name in member_names(folds):
                _add(archive, name, members[name])
        with open(partial, "r+b") as file:
            digest = _digest(file, partial.stat().st_size - COMMENT_BYTES)
            file.seek(-COMMENT_BYTES, 2)
            file.write(digest.encode())


def read_manifest(path: str | Path) -> dict[str, Any]:
    """What the package holds, and its settings, from a quick look that checks only what is read.

    Raises:
        DamagedFile: not a package of ours.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # Members that are stored, and together no larger than the file, cannot swell when they are read.
            found = archive.infolist()
            stored = all(info.compress_type == zipfile.ZIP_STORED for info in found)
            if not stored or sum(info.file_size for info in found) > Path(path).stat().st_size:
                raise ValueError("its members are packed or overlap")
            if archive.getinfo(MANIFEST).file_size > MANIFEST_LIMIT:
                raise ValueError(f"{MANIFEST} is larger than {MANIFEST_LIMIT} bytes")
            manifest = json.loads(archive.read(MANIFEST))
    except (OSError, KeyError, ValueError, RecursionError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedFile(f"{path}: is not a model package ({error}).") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise DamagedFile(f"{path}: is not a model package of schema {SCHEMA}.")
    folds, settings = manifest.get("folds"), manifest.get("settings")
    if (
        not isinstance(folds, int) or not 0 < folds <= MAX_FOLDS
        or not isinstance(settings, dict) or set(settings) != SETTINGS
        or not all(isinstance(section, dict) for section in settings.values())
    ):  # fmt: skip
        raise DamagedFile(f"{path}: its {MANIFEST} is not as a package has it.")
    return manifest


def read_members(path: str | Path) -> dict[str, bytes]:
    """All members but the manifest, every byte of the package checked.

    Raises:
        DamagedFile: a byte has changed, or not a package of ours.
    """
    path = Path(path)
    read_manifest(path)
    with open(path, "rb") as file:
        size = path.stat().st_size
        digest = _digest(file, max(size - COMMENT_BYTES, 0))
        if file.read(COMMENT_BYTES) != digest.encode():
            raise DamagedFile(f"{path}: the package has changed since it was made. Copy it again.")
    with zipfile.ZipFile(path) as archive:
        found = archive.namelist()
        if found != [MANIFEST, *member_names((len(found) - 5) // 2)]:
            raise DamagedFile(f"{path}: the package does not hold the files of a package.")
        return {name: archive.read(name) for name in found[1:]}


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.create_system = 3  # Unix, whatever writes it
    info.external_attr = 0o644 << 16
    archive.writestr(info, content)


def _digest(file: Any, size: int) -> str:
    """SHA-256 of the first ``size`` bytes; leaves the file behind them."""
    file.seek(0)
    digest = hashlib.sha256()
    while size > 0:
        block = file.read(min(BLOCK, size))
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()
