"""Locks that end with their process: one run in a folder, one process for a job.

Snakemake's own lock outlives a run that was killed and must be removed by hand; and it does not know of jobs that
live on when Snakemake alone was killed. These are POSIX record locks on one file, a byte for the run and a byte
for each job: the kernel drops them with the process, on network file systems for all machines.
"""

import errno
import fcntl
import hashlib
import logging
import os
import socket
import sys
from pathlib import Path

from lunggtv.errors import LungGtvError

FOLDER = Path(".snakemake")
LOCK_FILE = "lunggtv.lock"
RUN_BYTE = 0
DIGEST_BYTES = 7  # of a job's name, as an offset that every file system takes
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class FolderInUse(LungGtvError):
    """Another run is at work in the same folder."""


def lock_run(folder: str | Path = FOLDER) -> None:
    """Make this process the only run of its folder, until it ends. Raises FolderInUse."""
    descriptor = _open(Path(folder))
    if not _lock(descriptor, RUN_BYTE, wait=False):
        holder = os.read(descriptor, 200).decode("utf-8", "replace").strip()
        raise FolderInUse(
            f"Another run is at work in {Path.cwd()} ({holder}). Wait until it ends or stop it; nothing needs to "
            "be unlocked or removed."
        )
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())


def lock_job(name: str, folder: str | Path = FOLDER) -> None:
    """Make this process the only one that does the job ``name``, until it ends.

    Where Snakemake alone was killed its jobs go on; the same job of the next run waits for them here, so that
    two never write the same files.
    """
    if not Path(folder).is_dir():
        return  # not a job of Snakemake's
    descriptor = _open(Path(folder))
    offset = 1 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:DIGEST_BYTES])
    if not _lock(descriptor, offset, wait=False):
        text = f"{name}: the same job of an earlier run is still at work; waiting for its end."
        logging.warning(text)
        print(text, file=sys.stderr, flush=True)
        _lock(descriptor, offset, wait=True)


def _open(folder: Path) -> int:
    # Never closed: closing any descriptor of the file would drop all locks of the process.
    return os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)


def _lock(descriptor: int, offset: int, wait: bool) -> bool:
    """Lock one byte; False where another process holds it."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, offset)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        if error.errno not in NO_LOCKS:
            raise
        logging.warning("This file system has no locks (%s): never start two runs in one folder.", error)
    return True
