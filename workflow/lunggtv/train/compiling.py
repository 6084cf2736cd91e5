"""The network through torch.compile, tried before it is trusted."""

import torch
from torch import nn

from lunggtv.model.numerics import autocast, is_out_of_memory
from lunggtv.train import progress
from lunggtv.train.batches import Sampler
from lunggtv.train.optimisation import Device, Forward


def compiled(network: nn.Module, batch: int, sampler: Sampler, device: Device) -> Forward:
    """The network through torch.compile, or as it is where compiling fails (no C++ compiler, say)."""
    trial = torch.zeros((batch, 1, *sampler.patch_shape), device=device.home)
    try:
        fast = torch.compile(network, dynamic=False)
        with autocast(device.home, device.precision):
            heads = fast(trial)
        # The graph of the backward pass is another one, and compiled only now.
        torch.stack([head.float().mean() for head in heads]).sum().backward()
    except RuntimeError as error:
        if is_out_of_memory(error):
            return fast  # the step halves the batch
        progress.not_compiled(error)
        return network
    finally:
        network.zero_grad(set_to_none=True)
    return fast
