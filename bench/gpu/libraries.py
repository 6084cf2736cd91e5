"""What an interpreter has of the libraries that the rows need, and the rest from a folder of wheels."""

import subprocess
from pathlib import Path

# Import name -> what pip calls it.
NEEDED = {
    "numpy": "numpy",
    "h5py": "h5py",
    "psutil": "psutil",
    "yaml": "pyyaml",
    "safetensors": "safetensors",
}


class LibraryMissing(Exception):
    """A library is missing and cannot be installed; the message says which, and what to do."""


def paths_with_libraries(python: str, wheels: Path | None, folder: Path) -> list[str]:
    """Folders to add to the interpreter's search path, so that it can import all that is needed.

    Raises:
        LibraryMissing: torch is not there, or another library neither there nor among the wheels.
    """
    if not _imports(python, "torch", []):
        raise LibraryMissing(f"{python} has no torch; name an interpreter that has it with --python.")
    paths = [str(folder)]
    missing = [package for name, package in NEEDED.items() if not _imports(python, name, paths)]
    if missing and wheels is None:
        raise LibraryMissing(
            f"{python} lacks {', '.join(missing)}. Fetch the wheels on a machine with a package index (pip download "
            f"--dest wheels --no-deps {' '.join(missing)}) and name their folder with --wheels."
        )
    if missing:
        source = ["--no-index", "--find-links", str(wheels), "--no-deps", "--target", str(folder)]
        command = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *source,
            *missing,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LibraryMissing(
                f"{', '.join(missing)} could not be installed from {wheels}: {done.stderr.strip()}"
            )
    return paths


def _imports(python: str, name: str, paths: list[str]) -> bool:
    code = f"import sys; sys.path += {paths!r}; import {name}"
    return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
