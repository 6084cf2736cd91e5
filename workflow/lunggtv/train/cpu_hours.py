"""How long a training would take on a CPU, told before it starts instead of after hours."""

import math
import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lunggtv.errors import TrainingFailed
from lunggtv.geometry import Shape, three_of
from lunggtv.model.architecture import Architecture
from lunggtv.model.network import build_network
from lunggtv.train.train_settings import TrainSettings

SLOWEST_FLOPS = 1e9  # a second; a slower thread is not met, so that a small training need not be tried
TRIAL_S = 2.0
SECONDS_AN_HOUR = 3600


def refuse_days(
    fold: int, architecture: Architecture, settings: TrainSettings, threads: int, limit_h: float
) -> None:
    """Raise TrainingFailed if a training on this CPU would take longer than ``limit_h`` hours.

    The operations of its steps are counted; only where these could take so long, passes of the network on a small
    patch are timed.
    """
    flops = settings.steps * settings.batch * pass_flops(architecture, architecture.patch_shape)
    if flops / (SLOWEST_FLOPS * threads) <= limit_h * SECONDS_AN_HOUR:
        return
    rate = measured_flops(architecture, threads)
    hours = flops / rate / SECONDS_AN_HOUR
    if hours > limit_h:
        raise TrainingFailed(
            f"Fold {fold}: on this CPU ({threads} thread{'s' * (threads > 1)}) its {settings.steps} steps would take "
            f"about {hours:.0f} hours, and {limit_h:g} are allowed. Train on a machine with a GPU; or with the small "
            "network that is made for CPUs, --configfile profiles/demo/small.yaml; or, to have it all the same, "
            f"--set-resources train_fold:cpu_hours={math.ceil(hours * 1.2)}."
        )


def pass_flops(architecture: Architecture, shape: Shape) -> int:
    """Floating point operations of the network on one patch, forward and backward, counted without memory."""
    with torch.device("meta"):
        network = build_network(architecture).train()
        patch = torch.empty((1, 1, *shape))
    with FlopCounterMode(display=False) as counter:
        _one_pass(network, patch)
    return counter.get_total_flops()


def measured_flops(architecture: Architecture, threads: int) -> float:
    """Floating point operations a second of passes on a small patch, over at least TRIAL_S seconds."""
    shape = trial_shape(architecture)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            network = build_network(architecture).train()
            patch = torch.zeros((1, 1, *shape))
            passes, started = 0, time.monotonic()
            while (seconds := time.monotonic() - started) < TRIAL_S:
                _one_pass(network, patch)
                passes += 1
    finally:
        torch.set_num_threads(before)
    return passes * pass_flops(architecture, shape) / seconds


def trial_shape(architecture: Architecture) -> Shape:
    """The smallest patch that leaves more than one voxel where the network is coarsest."""
    coarsest = [math.prod(stride[axis] for stride in architecture.strides) for axis in range(3)]
    return three_of(
        min(2 * step, full) for step, full in zip(coarsest, architecture.patch_shape, strict=True)
    )


def _one_pass(network: nn.Module, patch: torch.Tensor) -> None:
    heads = network(patch)
    torch.stack([head.mean() for head in heads]).sum().backward()
