"""One update of the weights: the rule of the optimiser, its rate, and the average that is delivered."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lunggtv.errors import TrainingFailed
from lunggtv.model.numerics import autocast, is_out_of_memory
from lunggtv.train import progress
from lunggtv.train.batches import Sampler, make_batch
from lunggtv.train.loss import supervised_loss
from lunggtv.train.train_settings import TrainSettings

Forward = Callable[[Tensor], list[Tensor]]  # a network in training: logits of all heads, finest first

POLY_POWER = 0.9  # of the decay of the learning rate (nnU-Net)


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
    # Enlarges the loss where float16 would round its gradients to nothing; does nothing in other precisions.
    scaler: torch.amp.GradScaler = field(default_factory=lambda: torch.amp.GradScaler("cpu", enabled=False))


@dataclass(frozen=True)
class Device:
    """Where the network computes, and in which half precision; None for float32."""

    home: torch.device
    precision: torch.dtype | None


def start_run(network: nn.Module, settings: TrainSettings, precision: torch.dtype | None = None) -> Run:
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
    scaler = torch.amp.GradScaler(parameters[0].device.type, enabled=precision is torch.float16)
    return Run(network, optimiser, [p.detach().clone() for p in parameters], settings.batch, scaler=scaler)


def learning_rate(settings: TrainSettings, step: int) -> float:
    """Polynomial decay to zero."""
    return settings.learning_rate * (1 - step / settings.steps) ** POLY_POWER


def average_decay(settings: TrainSettings, step: int) -> float:
    """Decay of the averaged weights; it warms up so that the initial weights are soon forgotten."""
    return min(settings.ema_decay, (1 + step) / (10 + step))


def averaged_weights(run: Run, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """The exponential moving average of the weights by name: what is validated and delivered."""
    names = [name for name, _ in run.network.named_parameters()]
    return {name: tensor.to(dtype or tensor.dtype) for name, tensor in zip(names, run.average, strict=True)}


def one_step(
    run: Run,
    forward: Forward,
    sampler: Sampler,
    settings: TrainSettings,
    device: Device,
) -> Tensor:
    """One update of the weights; (loss, Dice loss, cross-entropy, gradient norm) as a device tensor."""
    first = run.step * settings.batch
    while True:
        try:
            parts = _gradients(run, forward, sampler, settings, device, first)
            break
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            run.optimiser.zero_grad(set_to_none=True)
            if run.micro_batch == 1:
                raise TrainingFailed(progress.too_large(sampler.fold, settings)) from None
            run.micro_batch = run.micro_batch // 2
            progress.warn_of_memory(sampler.fold, run.step, run.micro_batch, settings)
        # Outside the handler, whose traceback would keep the tensors alive.
        if device.home.type == "cuda":
            torch.cuda.empty_cache()
    run.scaler.unscale_(run.optimiser)
    norm = nn.utils.clip_grad_norm_(run.network.parameters(), settings.clip_norm)
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(settings, run.step) * run.rate_factor
    # A step whose gradients overflow is left out, and the next loss enlarged half as much.
    run.scaler.step(run.optimiser)
    run.scaler.update()
    parameters = [parameter.detach() for parameter in run.network.parameters()]
    torch._foreach_lerp_(run.average, parameters, 1 - average_decay(settings, run.step))
    norm = norm.detach().double()[None]
    return torch.cat((parts, torch.nan_to_num(norm, 0.0, 0.0, 0.0) if run.scaler.is_enabled() else norm))


def _gradients(
    run: Run,
    forward: Forward,
    sampler: Sampler,
    settings: TrainSettings,
    device: Device,
    first: int,
) -> Tensor:
    """Accumulate the gradients of one batch; its mean loss, Dice loss and cross-entropy."""
    run.optimiser.zero_grad(set_to_none=True)
    parts = torch.zeros(3, dtype=torch.float64, device=device.home)
    for start in range(first, first + settings.batch, run.micro_batch):
        indices = range(start, min(start + run.micro_batch, first + settings.batch))
        ct, label = make_batch(sampler, indices)
        with autocast(device.home, device.precision):
            heads = forward(ct)
        heads = heads if settings.deep_supervision else heads[:1]
        loss, dice_loss, entropy = supervised_loss(heads, label)
        share = len(indices) / settings.batch
        run.scaler.scale(loss * share).backward()
        parts += torch.stack((loss.detach(), dice_loss, entropy)).double() * share
    return parts
