"""What a training says of itself: lines for the log and the terminal. Wall time never reaches an output."""

import logging
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lunggtv.train.train_settings import TrainSettings

LINE_EVERY_S = 30.0
SAVING_SHARE = 0.01  # of the time that training may wait for its states


class Clock:
    """Wall time of a run, for its lines and its states."""

    def __init__(self, step: int) -> None:
        self.first_step = step
        self.started = self.last_save = time.monotonic()
        self.last_line = -LINE_EVERY_S
        self.saving_s = 0.0

    def save_is_due(self, save_every_s: float) -> bool:
        """Whether a state is to be written: so long after the last one, and not so soon that training would wait for
        its states for more than SAVING_SHARE of the time; 0 s is after every step."""
        interval_s = max(save_every_s, self.saving_s / SAVING_SHARE) if save_every_s else 0.0
        return time.monotonic() - self.last_save > interval_s

    @contextmanager
    def saving(self) -> Iterator[None]:
        """While a state is written."""
        started = time.monotonic()
        yield
        self.last_save = time.monotonic()
        self.saving_s = self.last_save - started

    def tell(
        self, fold: int, step: int, settings: TrainSettings, loss: float, dice: float, always: bool
    ) -> None:
        """A line for the terminal and the log at most every half minute; in between one for the log alone if
        ``always``.

        Args:
            loss, dice: means since the last row of the history; Dice is the soft one of the batches.
        """
        now = time.monotonic()
        shown = now - self.last_line >= LINE_EVERY_S
        if not (shown or always):
            return
        steps_per_s = (step - self.first_step) / max(now - self.started, 1e-9)
        left_s = (settings.steps - step) / steps_per_s
        line = (
            f"fold {fold}: step {step}/{settings.steps}, loss {loss:.4f}, batch Dice {dice:.3f}, "
            f"{steps_per_s * settings.batch:.2f} patches/s, {_span(left_s)} left"
        )
        if shown:
            announce(line)
            self.last_line = now
        else:
            logging.info("%s", line)


def announce(line: str) -> None:
    """To the log and to the terminal."""
    logging.info("%s", line)
    print(line, file=sys.stderr, flush=True)


def _span(seconds: float) -> str:
    """Hours and minutes, or minutes and seconds."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s"


@contextmanager
def stop_requests() -> Iterator[list[str]]:
    """A list that gets the name of SIGTERM or SIGINT when one comes; the step in hand is finished first."""
    received: list[str] = []
    before = {}

    def note(number: int, frame: Any) -> None:
        received.append(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def resumed(fold: int, step: int, settings: TrainSettings) -> None:
    """That a training goes on."""
    logging.info("fold %d: resumed at step %d of %d", fold, step, settings.steps)


def stopped(fold: int, signal_name: str, step: int, settings: TrainSettings) -> str:
    """Message of a training that was asked to stop."""
    return (
        f"Training of fold {fold} was asked to stop by {signal_name} and did so after step {step} of "
        f"{settings.steps}; its state is saved. Run the same command to go on."
    )


def warn_of_memory(fold: int, step: int, micro_batch: int, settings: TrainSettings) -> None:
    """That fewer patches are computed at once from now on."""
    logging.warning(
        "fold %d, step %d: out of memory; going on with %d of %d patches at once",
        fold, step, micro_batch, settings.batch,
    )  # fmt: skip


def too_large(fold: int, settings: TrainSettings) -> str:
    """Message where not even one patch fits."""
    return (
        f"Fold {fold}: a single patch of {settings.patch_shape} voxels does not fit in the memory of the device. "
        "Lower train.patch_shape or train.network.width."
    )


def not_finite(fold: int, steps: range, patients: Sequence[str]) -> str:
    """Where a loss was not finite, as the beginning of a message."""
    return (
        f"Fold {fold}: the loss is not finite between steps {steps.start + 1} and {steps.stop}, which showed "
        f"patients {', '.join(patients)}"
    )


def not_finite_again(where: str, files: Sequence[str]) -> str:
    """Message where a lower learning rate did not help."""
    return (
        f"{where} ({', '.join(files)}), although the learning rate was halved before. Look at these patients' "
        "pictures in results/cache, or lower train.learning_rate."
    )


def no_state(where: str) -> str:
    """Message where there is nothing to go back to."""
    return f"{where}, and there is no state on disk to go back to. Run again."


def rolled_back(where: str, step: int) -> None:
    """That a training went back to a state."""
    logging.warning("%s; back to step %d at half the learning rate", where, step)


def not_compiled(error: Exception) -> None:
    """That torch.compile failed."""
    logging.warning("torch.compile does not work here (%s); going on without", error)
