"""Files that are whole or absent: temporary name, fsync, rename. And later: still as they were written?"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is synced and renamed to ``path``.

    The temporary name keeps the suffixes of ``path`` (writers choose a format by suffix) and is fixed
    by it, so that a killed run leaves at most one stray file, which the next run overwrites.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial.{path.name}")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        _sync(partial)
        os.replace(partial, path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all.

    Bytes of a file's name that are not UTF-8 stand as ``\\udce9`` in it, which JSON reads as what it was.
    """
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def write_json(path: str | Path, content: Any) -> None:
    """Write plain types as ``json_text``."""
    write_text(path, json_text(content))


def json_text(content: Any) -> str:
    """Plain types as JSON with sorted keys; NaN and infinity are refused (ValueError)."""
    return json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def record_digest(path: str | Path) -> None:
    """Keep a file's SHA-256 beside it, in a hidden file that ``sha256sum --check`` reads."""
    write_text(_digest_file(path), f"{file_digest(path)}  {path}\n")


def forget_digest(path: str | Path) -> None:
    """Remove what ``record_digest`` kept, before the file is written anew."""
    _digest_file(path).unlink(missing_ok=True)


def is_as_written(path: str | Path) -> bool:
    """Whether a file's bytes are those of ``record_digest``; true where nothing was recorded."""
    recorded = _recorded_digest(path)
    return recorded is None or recorded == file_digest(path)


def checked_digest(path: str | Path) -> str:
    """SHA-256 of a file that ``is_as_written``: as recorded, so that a large file need not be read again."""
    return _recorded_digest(path) or file_digest(path)


def _recorded_digest(path: str | Path) -> str | None:
    try:
        return _digest_file(path).read_text(encoding="utf-8").split(" ")[0]
    except FileNotFoundError:
        return None


def _digest_file(path: str | Path) -> Path:
    path = Path(path)
    return path.with_name(f".{path.name}.sha256")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
