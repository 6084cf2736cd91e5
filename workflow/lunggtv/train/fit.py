"""Training of one fold, read from top to bottom: what decides its weights is here and in what this imports.

Nothing here touches a file or the clock: states are kept by the caller's ``Keeper``, and words are those of
``progress``, which can change no byte.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from lunggtv.errors import TrainingFailed, TrainingStopped
from lunggtv.geometry import Triple
from lunggtv.model.architecture import Architecture, plan_architecture
from lunggtv.model.network import build_network, parameter_count
from lunggtv.model.normalisation import Normalisation, fit_normalisation
from lunggtv.model.numerics import (
    NAMES,
    half_precision,
    numerics,
    place_network,
)
from lunggtv.train import progress
from lunggtv.train.batches import Sampler, patients_of
from lunggtv.train.cases import Case
from lunggtv.train.compiling import compiled
from lunggtv.train.optimisation import (
    Device,
    Run,
    averaged_weights,
    learning_rate,
    one_step,
    start_run,
)
from lunggtv.train.shown_samples import shown_samples
from lunggtv.train.start import Start
from lunggtv.train.train_settings import TrainSettings, spacing_of

HISTORY_COLUMNS = ("step", "learning_rate", "loss", "dice_loss", "cross_entropy", "gradient_norm")
HISTORY_ROWS = 100  # at most about so many lines, whatever the number of steps
CHECK_EVERY_CUDA = 20  # steps between looks at the loss: each look waits for the device
ROLLBACK_FACTOR = 0.5  # of the learning rate after a loss that is not finite


class Keeper(Protocol):
    """Keeps a run where a killed job finds it again, bit by bit."""

    def restore(self, run: Run) -> bool:
        """Bring the run to its newest state; False if there is none."""

    def write(self, run: Run) -> None:
        """Keep the run as it is."""

    def keep_snapshot(self, step: int, weights: dict[str, Tensor]) -> None:
        """Keep the averaged weights of a step for validation."""


@dataclass(frozen=True)
class Trained:
    """What a fold's training comes to. ``history`` has the columns ``HISTORY_COLUMNS``, each value the mean of the
    steps since the row before; ``samples`` are those of ``shown_samples``."""

    weights: dict[str, Tensor]
    architecture: Architecture
    normalisation: Normalisation
    history: list[list[float]]
    samples: dict[str, Tensor]


def fit(
    fold: int,
    cases: list[Case],
    settings: TrainSettings,
    home: torch.device,
    threads: int,
    keeper: Keeper,
    save_every_s: float,
    started: Callable[[Architecture, int, str], None],
    start: Start | None = None,
) -> Trained:
    """Train a fold, going on where its keeper has it.

    Args:
        fold: number of the fold.
        cases: its training patients.
        settings: what shapes the weights.
        home: device to compute on.
        threads: CPU threads; on a CPU the weights are bit-identical for the same number.
        keeper: of the states.
        save_every_s: seconds between states.
        started: is told the network's plan, its number of weights, and the name of its precision.
        start: weights to begin from, of a network like the planned one, and the normalisation that they expect.

    Raises:
        TrainingFailed, TrainingStopped: see ``train``.
    """
    with numerics(settings.deterministic, threads):
        architecture, sampler = prepare(fold, cases, settings, start.normalisation if start else None)
        network = new_network(architecture, settings.seed, fold)
        if start is not None:
            # By parameter, as they are saved: MONAI's DynUNet lists the same parameter under several names.
            network.load_state_dict(start.weights, strict=False)
        network = place_network(network, home)
        wanted = settings.mixed_precision and home.type == "cuda"
        precision = half_precision(network.train(), architecture.patch_shape, home) if wanted else None
        started(architecture, parameter_count(network), NAMES[precision])
        run = start_run(network, settings, precision)
        train(run, sampler, settings, Device(home, precision), keeper, save_every_s)
        samples = shown_samples(sampler)
    return Trained(averaged_weights(run), architecture, sampler.normalisation, run.history, samples)


def prepare(
    fold: int, cases: list[Case], settings: TrainSettings, normalisation: Normalisation | None = None
) -> tuple[Architecture, Sampler]:
    """The network's plan and the sampler, from the training patients alone, as is a normalisation that is not given."""
    architecture = planned([case.spacing_mm for case in cases], settings)
    normalisation = normalisation or fit_normalisation(
        (ct.cpu().numpy(), label.cpu().numpy())
        for ct, label in (case.read((0, 0, 0), case.shape) for case in cases)
    )
    sampler = Sampler(
        cases, settings.seed, fold, architecture.patch_shape, settings.foreground_share,
        settings.augmentation, normalisation,
    )  # fmt: skip
    return architecture, sampler


def planned(spacings_mm: list[Triple], settings: TrainSettings) -> Architecture:
    """The network's plan, for the spacings of the training patients."""
    return plan_architecture(
        settings.network.name, spacing_of(spacings_mm), settings.patch_shape, settings.network.width,
        settings.network.max_width, settings.network.blocks,
    )  # fmt: skip


def new_network(architecture: Architecture, seed: int, fold: int) -> nn.Module:
    """A network with initial weights drawn from (seed, fold), on the CPU, so that they do not depend on the
    device; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed * 1000 + fold)
        return build_network(architecture)


def train(
    run: Run, sampler: Sampler, settings: TrainSettings, device: Device, keeper: Keeper, save_every_s: float
) -> None:
    """Go on from the newest state, or from ``run``, to the last step; ``run`` is changed.

    The state is kept about every ``save_every_s`` seconds (see ``Clock``) and on SIGTERM or SIGINT. A loss that is
    not finite goes back to the last state once, at half the learning rate. Out of memory halves the patches computed
    at once; their gradients are accumulated.

    Raises:
        TrainingStopped: a signal came; the next run goes on where this one stopped.
        TrainingFailed: see there.
    """
    run.network.train()
    if keeper.restore(run):
        progress.resumed(sampler.fold, run.step, settings)
    else:
        keeper.write(run)
    forward = compiled(run.network, run.micro_batch, sampler, device) if settings.compile else run.network
    snapshots = snapshot_steps(settings)
    interval = max(1, settings.steps // HISTORY_ROWS)
    look_every = 1 if device.home.type == "cpu" else CHECK_EVERY_CUDA
    sums = torch.tensor(run.sums, dtype=torch.float64, device=device.home)
    looked = run.step
    clock = progress.Clock(run.step)
    with progress.stop_requests() as stop:
        while run.step < settings.steps:
            sums += one_step(run, forward, sampler, settings, device)
            run.step += 1
            due = run.step % interval == 0 or run.step == settings.steps
            snapshot = run.step in snapshots
            save = clock.save_is_due(save_every_s) or bool(stop)
            if not (due or snapshot or save or run.step % look_every == 0):
                continue
            if not bool(torch.isfinite(sums).all()) or overflows(run):
                sums = _roll_back(run, sampler, settings, device, keeper, range(looked, run.step))
                looked = run.step
                clock = progress.Clock(run.step)
                continue
            looked = run.step
            means = (sums / ((run.step - 1) % interval + 1)).tolist()
            clock.tell(sampler.fold, run.step, settings, means[0], 1 - means[1], always=due)
            if due:
                rate = learning_rate(settings, run.step - 1) * run.rate_factor
                run.history.append([run.step, rate, *means])
                sums.zero_()
            if snapshot:
                keeper.keep_snapshot(run.step, averaged_weights(run, torch.float16))
            if save:
                run.sums = sums.tolist()
                with clock.saving():
                    keeper.write(run)
            if stop and run.step < settings.steps:
                raise TrainingStopped(progress.stopped(sampler.fold, stop[0], run.step, settings))


def overflows(run: Run) -> bool:
    """Whether the gradients overflow float16 even where the loss is not enlarged any more: no step is made then."""
    return run.scaler.is_enabled() and run.scaler.get_scale() < 1.0


def snapshot_steps(settings: TrainSettings) -> list[int]:
    """Steps whose averaged weights are kept for validation; the last step is not among them, since the
    final weights are kept anyway."""
    count = settings.snapshots
    steps = {round(settings.steps * (n + 1) / count) for n in range(count - 1)}
    return sorted(step for step in steps if 0 < step < settings.steps)


def _roll_back(
    run: Run, sampler: Sampler, settings: TrainSettings, device: Device, keeper: Keeper, steps: range
) -> Tensor:
    """Back to the last state (or the start) at a lower rate; the sums of that moment."""
    shown = patients_of(sampler, range(steps.start * settings.batch, steps.stop * settings.batch))
    where = progress.not_finite(sampler.fold, steps, shown)
    if run.rollbacks:
        raise TrainingFailed(progress.not_finite_again(where, _files_of(sampler.cases, shown)))
    if not keeper.restore(run):
        raise TrainingFailed(progress.no_state(where))
    run.rollbacks += 1
    run.rate_factor *= ROLLBACK_FACTOR
    # Written at once: a run killed now must not forget that it has used its one chance.
    keeper.write(run)
    progress.rolled_back(where, run.step)
    return torch.tensor(run.sums, dtype=torch.float64, device=device.home)


def _files_of(cases: Iterable[Case], patients: Iterable[str]) -> list[str]:
    files = {case.patient: case.path for case in cases}
    return [files[patient] for patient in patients]
