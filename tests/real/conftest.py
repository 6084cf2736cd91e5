"""Where the real scans lie: beside the project, or where LUNGGTV_REAL_DATA points. Absent: tests are skipped."""

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

BESIDE_THE_PROJECT = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def real_file() -> Callable[[str], Path]:
    """A file of the real data by name; the test is skipped where it is absent."""
    folder = Path(os.environ.get("LUNGGTV_REAL_DATA", BESIDE_THE_PROJECT))

    def find(name: str) -> Path:
        if not (folder / name).is_file():
            pytest.skip(f"no real data: {name} is not in {folder}; set LUNGGTV_REAL_DATA to its folder")
        return folder / name

    return find


@pytest.fixture(scope="session")
def real_case(
    real_file: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The folder of an unpacked case, by name without ``.tar.xz``; unpacked once a session."""
    unpacked: dict[str, Path] = {}

    def unpack(name: str) -> Path:
        archive = real_file(f"{name}.tar.xz")
        if name not in unpacked:
            folder = tmp_path_factory.mktemp(name)
            with tarfile.open(archive) as content:
                content.extractall(folder, filter="data")
            unpacked[name] = folder
        return unpacked[name]

    return unpack
