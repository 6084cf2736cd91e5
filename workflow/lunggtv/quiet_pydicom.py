"""pydicom, and highdicom which reads with it, kept from quoting header values, which may name the patient."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Silence pydicom's warnings and log, and highdicom's."""
    logger = logging.getLogger("pydicom")
    was_disabled = logger.disabled
    logger.disabled = True
    # Its modules log by themselves; they take their level from here.
    beside = logging.getLogger("highdicom")
    level = beside.level
    beside.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = was_disabled
        beside.setLevel(level)
