"""The errors a user can meet. Each message says which patient or file, what is wrong, what to do."""


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
