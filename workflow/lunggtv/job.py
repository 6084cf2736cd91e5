"""What every job does first: send its words to the log, and show a user's error as one message."""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lunggtv.errors import LungGtvError


@contextmanager
def logged_job(log: str | Path) -> Iterator[None]:
    """Run a job with its log file set up; exit with status 1 after an error.

    Errors of the domain appear as one message, everything else with its traceback; both in the log and on
    the terminal.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(log, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    except Exception as error:
        text = str(error) if isinstance(error, LungGtvError) else traceback.format_exc()
        logging.error("%s", text)
        print(f"error: {text}", file=sys.stderr, flush=True)
        sys.exit(1)
    finally:
        root.removeHandler(handler)
        handler.close()
