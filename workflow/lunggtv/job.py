"""What every job does first: send its words to the log, and show a user's error as one message."""

import errno
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lunggtv.errors import LungGtvError
from lunggtv.locks import lock_job

# What a machine can refuse, and what to do about it: no fault of the code, so no traceback.
REFUSALS = {
    errno.ENOSPC: "Make space",
    errno.EDQUOT: "Make space or ask for a larger quota",
    errno.EROFS: "Make the folder writable",
    errno.EACCES: "Mend the permissions",
}


@contextmanager
def logged_job(log: str | Path) -> Iterator[None]:
    """Run a job with its log file set up; exit with status 1 after an error.

    Errors of the domain and refusals of the machine (disk full, no permission) appear as one message,
    everything else with its traceback; both in the log and on the terminal.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(log, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        lock_job(str(log))
        yield
    except Exception as error:
        text = _told(error) or traceback.format_exc()
        logging.error("%s", text)
        print(f"error: {text}", file=sys.stderr, flush=True)
        sys.exit(1)
    finally:
        root.removeHandler(handler)
        handler.close()


def _told(error: Exception) -> str | None:
    """An error as one message; None if it needs its traceback."""
    if isinstance(error, LungGtvError):
        return str(error)
    if isinstance(error, OSError) and error.errno in REFUSALS:
        place = error.filename or "A file of this job could not be written or read"
        remedy = f"{REFUSALS[error.errno]} and run snakemake again; it goes on from here."
        return f"{place}: {os.strerror(error.errno)}. {remedy}"
    return None
