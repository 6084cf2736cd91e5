"""What a training says of itself: lines for the log and the terminal. Wall time never reaches an output."""

import logging
import sys
import time

from lunggtv.train.train_settings import TrainSettings

LINE_EVERY_S = 30.0


class Clock:
    """Wall time of a run, for its lines and its states."""

    def __init__(self, step: int) -> None:
        self.first_step = step
        self.started = self.last_save = time.monotonic()
        self.last_line = -LINE_EVERY_S

    def seconds_since_save(self) -> float:
        return time.monotonic() - self.last_save

    def saved(self) -> None:
        self.last_save = time.monotonic()

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
