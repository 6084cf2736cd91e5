"""The errors a user can meet. Each message says which patient or file, what is wrong, what to do."""

import errno
import os

# What a machine can refuse, and what to do about it: no fault of the code, so no traceback, and none of the file.
REFUSALS = {
    errno.ENOSPC: "Make space",
    errno.EDQUOT: "Make space or ask for a larger quota",
    errno.EROFS: "Make the folder writable",
    errno.EACCES: "Mend the permissions",
    errno.EPERM: "Mend the permissions",
    errno.EIO: "See to the disk or the network share",
    errno.ESTALE: "Mount the network share again",
    errno.ETIMEDOUT: "See to the network share",
    errno.EMFILE: "Allow more open files (ulimit -n)",
    errno.ENFILE: "Allow more open files on this machine",
    errno.ENOMEM: "Give the job more memory",
    errno.ENOLCK: "See to the locks of this file system",
}


class LungGtvError(Exception):
    """Base of all errors that are the user's to mend; shown as one message, without a traceback."""


class ConfigError(LungGtvError):
    """A setting is misspelt, of the wrong type or out of range."""


class CohortError(LungGtvError):
    """The patients as a group are unusable: none found, an id used twice, a fold left empty."""


class RejectedPatient(LungGtvError):
    """Ingest refused a patient, and a later stage was asked to go on with it."""


class DamagedFile(LungGtvError):
    """A file of ours is truncated, corrupted, of another schema, or not ours at all."""


class UnreadableImage(LungGtvError):
    """An image file is missing, damaged, truncated, or not one three-dimensional grey image."""


class UnusableMask(LungGtvError):
    """A mask cannot be scored: missing, on another grid, or with other values than 0 and 1."""


class TrainingFailed(LungGtvError):
    """The loss is not finite although the learning rate was lowered; or memory is too small for one patch."""


class TrainingStopped(LungGtvError):
    """The job was asked to stop; its state is on disk."""


def refusal_behind(error: BaseException | None) -> OSError | None:
    """What the machine refused, where that is why an error was raised, however it was worded on the way."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in REFUSALS:
            return error
        error = error.__cause__ or error.__context__
    return None


def words_of(error: Exception) -> str | None:
    """An error as one message; None if it needs its traceback."""
    refusal = refusal_behind(error) if isinstance(error, LungGtvError | OSError) else None
    if refusal is not None and refusal.errno is not None:
        place = refusal.filename or "A file of this job could not be written or read"
        remedy = f"{REFUSALS[refusal.errno]} and run snakemake again; it goes on from here."
        return f"{place}: {os.strerror(refusal.errno)}. {remedy}"
    return str(error) if isinstance(error, LungGtvError) else None
