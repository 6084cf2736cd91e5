"""The training loop of one fold, from a state to finished weights, whatever happens in between."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lunggtv.errors import LungGtvError
from lunggtv.train.batches import Sampler, make_batch, patients_of
from lunggtv.train.loss import supervised_loss
from lunggtv.train.progress import Clock
from lunggtv.train.state import load_state, save_snapshot, save_state
from lunggtv.train.train_settings import TrainSettings

HISTORY_COLUMNS = ("step", "learning_rate", "loss", "dice_loss", "cross_entropy", "gradient_norm")
HISTORY_ROWS = 100  # at most about so many lines, whatever the number of steps
POLY_POWER = 0.9  # of the decay of the learning rate (nnU-Net)
CHECK_EVERY_CUDA = 20  # steps between looks at the loss: each look waits for the device
ROLLBACK_FACTOR = 0.5  # of the learning rate after a loss that is not finite


class TrainingFailed(LungGtvError):
    """The loss is not finite although the learning rate was lowered; or memory is too small for one patch."""


class TrainingStopped(LungGtvError):
    """The job was asked to stop; its state is on disk."""


@dataclass
class Run:
    """What a fold's training carries from step to step; all of it is in the state on disk."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    average: list[Tensor]
    micro_batch: int
    step: int = 0
    rate_factor: float = 1.0
    rollbacks: int = 0
    history: list[list[float]] = field(default_factory=list)
    sums: list[float] = field(default_factory=lambda: [0.0] * 4)


@dataclass(frozen=True)
class Surroundings:
    """What the loop needs to know of the machine; none of it changes the weights on a CPU."""

    folder: Path
    device: torch.device
    autocast: bool
    save_every_s: float
    compile: bool


def start_run(network: nn.Module, settings: TrainSettings) -> Run:
    """A run at step 0. The averaged weights start as the initial ones."""
    parameters = list(network.parameters())
    if settings.optimiser == "sgd":
        optimiser: torch.optim.Optimizer = torch.optim.SGD(
            parameters, settings.learning_rate, settings.momentum,
            weight_decay=settings.weight_decay, nesterov=settings.momentum > 0,
        )  # fmt: skip
    else:
        optimiser = torch.optim.AdamW(
            parameters, settings.learning_rate, betas=(settings.momentum, 0.999),
            weight_decay=settings.weight_decay,
        )  # fmt: skip
    return Run(network, optimiser, [p.detach().clone() for p in parameters], settings.batch)


def train(run: Run, sampler: Sampler, settings: TrainSettings, around: Surroundings) -> None:
    """Go on from the newest state in the folder, or from ``run``, to the last step; ``run`` is changed.

    The state is written every ``save_every_s`` seconds and on SIGTERM or SIGINT. A loss that is not finite
    goes back to the last state once, at half the learning rate. Out of memory halves the patches computed at
    once; their gradients are accumulated.

    Raises:
        TrainingStopped: a signal came; the next run goes on where this one stopped.
        TrainingFailed: see there.
    """
    run.network.train()
    if restore(run, around.folder):
        logging.info("fold %d: resumed at step %d of %d", sampler.fold, run.step, settings.steps)
    else:
        write(run, around.folder)
    forward = compiled(run.network, sampler, around) if around.compile else run.network
    snapshots = snapshot_steps(settings)
    interval = max(1, settings.steps // HISTORY_ROWS)
    look_every = 1 if around.device.type == "cpu" else CHECK_EVERY_CUDA
    sums = torch.tensor(run.sums, dtype=torch.float64, device=around.device)
    looked = run.step
    clock = Clock(run.step)
    with stop_requests() as stop:
        while run.step < settings.steps:
            sums += _one_step(run, forward, sampler, settings, around)
            run.step += 1
            due = run.step % interval == 0 or run.step == settings.steps
            snapshot = run.step in snapshots
            save = clock.seconds_since_save() > around.save_every_s or bool(stop)
            if not (due or snapshot or save or run.step % look_every == 0):
                continue
            if not bool(torch.isfinite(sums).all()):
                sums = _roll_back(run, sampler, settings, around, range(looked, run.step))
                looked = run.step
                clock = Clock(run.step)
                continue
            looked = run.step
            means = (sums / ((run.step - 1) % interval + 1)).tolist()
            clock.tell(sampler.fold, run.step, settings, means[0], 1 - means[1], always=due)
            if due:
                rate = learning_rate(settings, run.step - 1) * run.rate_factor
                run.history.append([run.step, rate, *means])
                sums.zero_()
            if snapshot:
                save_snapshot(around.folder, run.step, averaged_weights(run, torch.float16))
            if save:
                run.sums = sums.tolist()
                write(run, around.folder)
                clock.saved()
            if stop and run.step < settings.steps:
                raise TrainingStopped(
                    f"Training of fold {sampler.fold} was asked to stop by {stop[0]} and did so after step "
                    f"{run.step} of {settings.steps}; its state is saved. Run the same command to go on."
                )


def learning_rate(settings: TrainSettings, step: int) -> float:
    """Polynomial decay to zero."""
    return settings.learning_rate * (1 - step / settings.steps) ** POLY_POWER


def average_decay(settings: TrainSettings, step: int) -> float:
    """Decay of the averaged weights; it warms up so that the initial weights are soon forgotten."""
    return min(settings.ema_decay, (1 + step) / (10 + step))


def snapshot_steps(settings: TrainSettings) -> list[int]:
    """Steps whose averaged weights are kept for validation; the last step is not among them, since the
    final weights are kept anyway."""
    count = settings.snapshots
    steps = {round(settings.steps * (n + 1) / count) for n in range(count - 1)}
    return sorted(step for step in steps if 0 < step < settings.steps)


def averaged_weights(run: Run, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """The exponential moving average of the weights by name: what is validated and delivered."""
    names = [name for name, _ in run.network.named_parameters()]
    return {name: tensor.to(dtype or tensor.dtype) for name, tensor in zip(names, run.average, strict=True)}


def write(run: Run, folder: Path) -> None:
    """Write the run's state."""
    tensors = {f"network/{name}": tensor for name, tensor in run.network.named_parameters()}
    tensors |= {f"average/{index}": tensor for index, tensor in enumerate(run.average)}
    for index, values in run.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{index}/{key}": value for key, value in values.items() if value is not None}
    content = {
        "rate_factor": run.rate_factor,
        "rollbacks": run.rollbacks,
        "micro_batch": run.micro_batch,
        "history": run.history,
        "sums": run.sums,
    }
    save_state(folder, run.step, tensors, content)


def restore(run: Run, folder: Path) -> bool:
    """Bring ``run`` to the newest state on disk; False if there is none."""
    found = load_state(folder)
    if found is None:
        return False
    tensors, content = found
    groups: dict[str, dict[str, Any]] = {"network": {}, "average": {}, "optimiser": {}}
    for name, tensor in tensors.items():
        group, _, rest = name.partition("/")
        groups[group][rest] = tensor
    with torch.no_grad():
        for name, parameter in run.network.named_parameters():
            parameter.copy_(groups["network"][name])
        for index, tensor in enumerate(run.average):
            tensor.copy_(groups["average"][str(index)])
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in groups["optimiser"].items():
        index, key = name.split("/")
        # In the layout of its parameter: arithmetic on mixed layouts may round differently.
        twin = run.average[int(index)]
        laid_out = torch.empty_like(twin).copy_(tensor) if tensor.shape == twin.shape else tensor
        state.setdefault(int(index), {})[key] = laid_out
    run.optimiser.load_state_dict(
        {"state": state, "param_groups": run.optimiser.state_dict()["param_groups"]}
    )
    run.step = content["step"]
    for key in ("rate_factor", "rollbacks", "micro_batch", "history", "sums"):
        setattr(run, key, content[key])
    return True


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


def compiled(network: nn.Module, sampler: Sampler, around: Surroundings) -> nn.Module:
    """The network through torch.compile, or as it is where compiling fails (no C++ compiler, say)."""
    trial = torch.zeros((1, 1, *sampler.patch_shape), device=around.device)
    try:
        fast = torch.compile(network, dynamic=False)
        with torch.no_grad(), torch.autocast(around.device.type, torch.bfloat16, enabled=around.autocast):
            fast(trial)
    except RuntimeError as error:
        logging.warning("torch.compile does not work here (%s); going on without", error)
        return network
    return fast


def _one_step(
    run: Run, forward: nn.Module, sampler: Sampler, settings: TrainSettings, around: Surroundings
) -> Tensor:
    """One update of the weights; (loss, Dice loss, cross-entropy, gradient norm) as a device tensor."""
    first = run.step * settings.batch
    while True:
        try:
            parts = _gradients(run, forward, sampler, settings, around, first)
            break
        except torch.OutOfMemoryError:
            run.optimiser.zero_grad(set_to_none=True)
            if run.micro_batch == 1:
                raise TrainingFailed(
                    f"Fold {sampler.fold}: a single patch of {settings.patch_shape} voxels does not fit in "
                    "the memory of the device. Lower train.patch_shape or train.network.width."
                ) from None
            run.micro_batch = run.micro_batch // 2
            logging.warning(
                "fold %d, step %d: out of memory; going on with %d of %d patches at once",
                sampler.fold, run.step, run.micro_batch, settings.batch,
            )  # fmt: skip
        # Outside the handler, whose traceback would keep the tensors alive.
        if around.device.type == "cuda":
            torch.cuda.empty_cache()
    norm = nn.utils.clip_grad_norm_(run.network.parameters(), settings.clip_norm)
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(settings, run.step) * run.rate_factor
    run.optimiser.step()
    parameters = [parameter.detach() for parameter in run.network.parameters()]
    torch._foreach_lerp_(run.average, parameters, 1 - average_decay(settings, run.step))
    return torch.cat((parts, norm.detach().double()[None]))


def _gradients(
    run: Run, forward: nn.Module, sampler: Sampler, settings: TrainSettings, around: Surroundings, first: int
) -> Tensor:
    """Accumulate the gradients of one batch; its mean loss, Dice loss and cross-entropy."""
    run.optimiser.zero_grad(set_to_none=True)
    parts = torch.zeros(3, dtype=torch.float64, device=around.device)
    for start in range(first, first + settings.batch, run.micro_batch):
        indices = range(start, min(start + run.micro_batch, first + settings.batch))
        ct, label = make_batch(sampler, indices)
        with torch.autocast(around.device.type, torch.bfloat16, enabled=around.autocast):
            heads = forward(ct)
        heads = heads if settings.deep_supervision else heads[:1]
        loss, dice_loss, entropy = supervised_loss(heads, label)
        share = len(indices) / settings.batch
        (loss * share).backward()
        parts += torch.stack((loss.detach(), dice_loss, entropy)).double() * share
    return parts


def _roll_back(
    run: Run, sampler: Sampler, settings: TrainSettings, around: Surroundings, steps: range
) -> Tensor:
    """Back to the last state (or the start) at a lower rate; the sums of that moment."""
    shown = patients_of(sampler, range(steps.start * settings.batch, steps.stop * settings.batch))
    where = (
        f"Fold {sampler.fold}: the loss is not finite between steps {steps.start + 1} and {steps.stop}, "
        f"which showed patients {', '.join(shown)}"
    )
    if run.rollbacks:
        files = {case.patient: case.path for case in sampler.cases}
        raise TrainingFailed(
            f"{where} ({', '.join(files[patient] for patient in shown)}), although the learning rate was "
            "halved before. Look at these patients' pictures in results/cache, or lower train.learning_rate."
        )
    if not restore(run, around.folder):
        raise TrainingFailed(f"{where}, and {around.folder} has no state to go back to. Run again.")
    run.rollbacks += 1
    run.rate_factor *= ROLLBACK_FACTOR
    # Written at once: a run killed now must not forget that it has used its one chance.
    write(run, around.folder)
    logging.warning("%s; back to step %d at half the learning rate", where, run.step)
    return torch.tensor(run.sums, dtype=torch.float64, device=around.device)
