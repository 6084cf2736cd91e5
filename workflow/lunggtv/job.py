"""What every job does first and last: send its words to the log, show a user's error as one message, read only
what is as it was written, and put its own outputs under a checksum."""

import logging
import shlex
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lunggtv.errors import DamagedFile, words_of
from lunggtv.files import forget_digest, is_as_written, record_digest
from lunggtv.locks import lock_job


@contextmanager
def logged_job(
    log: str | Path, reads: Iterable[str | Path] = (), writes: Iterable[str | Path] = ()
) -> Iterator[None]:
    """Run a job with its log file set up; exit with status 1 after an error.

    The digests of ``writes`` are kept beside them, and ``reads`` that have one must still match it: a digit that
    changed in a table is as silent as it is wrong. Raw files and users' files have none.

    Errors of the domain and refusals of the machine (disk full, no permission) appear as one message,
    everything else with its traceback; both in the log and on the terminal.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(log, mode="w", encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        lock_job(str(log))
        for path in writes:
            forget_digest(path)
        refuse_damaged(reads)
        yield
        for path in writes:
            record_digest(path)
    except Exception as error:
        text = words_of(error) or traceback.format_exc()
        logging.error("%s", text)
        print(f"error: {text}", file=sys.stderr, flush=True)
        sys.exit(1)
    finally:
        root.removeHandler(handler)
        handler.close()


def refuse_damaged(paths: Iterable[str | Path]) -> None:
    """Raise DamagedFile, naming all of these files whose bytes are not those that were written."""
    damaged = [str(path) for path in paths if not is_as_written(path)]
    if damaged:
        names = " ".join(map(shlex.quote, damaged))
        raise DamagedFile(
            f"Not as the workflow wrote it: {', '.join(damaged)}. The disk, a copy or an editor has changed it. "
            f"To make it again from its source: snakemake --cores 4 --forcerun {names}"
        )
