"""Real CT that tests may read and nothing may keep; see the README beside the data."""

import os
import tarfile
from pathlib import Path

import pytest

from tests.conftest import made_once, shared_folder
from tests.workflow.engine import PROJECT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real scans; skips where it is not there."""
    folder = Path(os.environ.get("LUNGGTV_REAL_DATA", PROJECT.parent / "shared" / "data"))
    if not (folder / "oblique-ct.nrrd").is_file():
        pytest.skip(f"no real CT in {folder}; LUNGGTV_REAL_DATA may name another folder")
    return folder


@pytest.fixture(scope="session")
def unpacked(real_data, tmp_path_factory) -> Path:
    """Both archives unpacked: folders ``4dlung-113`` and ``ibsi-phantom``."""

    def unpack(folder: Path) -> None:
        for name in ("4dlung-113", "ibsi-phantom"):
            with tarfile.open(real_data / f"{name}.tar.xz") as archive:
                archive.extractall(folder, filter="data")
            assert (folder / name).is_dir()

    return made_once(shared_folder(tmp_path_factory) / "real", unpack)
