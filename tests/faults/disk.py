"""A small disk that can be filled, emptied and made read-only; needs root and the right to mount."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

FILLER = ".filler"


@dataclass(frozen=True)
class Disk:
    """A tmpfs mounted on ``folder``."""

    folder: Path

    def fill(self, spare_bytes: int = 0) -> None:
        """Take all space but ``spare_bytes``."""
        statistics = subprocess.run(
            ["df", "--output=avail", "-B1", self.folder], capture_output=True, text=True, check=True
        )
        available = int(statistics.stdout.split()[1])
        with open(self.folder / FILLER, "wb") as file:
            file.write(bytes(max(available - spare_bytes, 0)))

    def free(self) -> None:
        """Give the space back."""
        (self.folder / FILLER).unlink(missing_ok=True)

    def make_writable(self, yes: bool) -> None:
        """Mount it anew, for reading alone or for writing too."""
        subprocess.run(["mount", "-o", f"remount,{'rw' if yes else 'ro'}", self.folder], check=True)


@contextmanager
def mounted(folder: Path, size_mb: int) -> Iterator[Disk]:
    """A disk of this size on ``folder``, which is made; what lay there is hidden meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"needs the right to mount a small disk: {done.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
