"""MONAI's DynUNet and SegResNetDS behind our interface: one logit, a list of heads in training.

Kept apart because importing MONAI takes seconds; only a configuration that names one pays.
"""

from typing import Any

import torch
from monai.networks.nets import DynUNet, SegResNetDS
from torch import Tensor, nn

from lunggtv.model.architecture import Architecture


def build_monai_network(architecture: Architecture) -> nn.Module:
    """``dynunet`` or ``segresnet``."""
    return DynUNetHeads(architecture) if architecture.name == "dynunet" else SegResNetHeads(architecture)


class DynUNetHeads(nn.Module):
    """MONAI's plain U-Net of nnU-Net's first version, on our strides and kernels.

    Its supervised heads come upsampled to full size and stacked; they are unstacked and thinned back to
    their own resolution, where our loss expects them.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.strides = architecture.strides
        self.heads = len(architecture.strides) - 2
        self.net = DynUNet(
            spatial_dims=3, in_channels=1, out_channels=1, kernel_size=architecture.kernels,
            strides=architecture.strides, upsample_kernel_size=architecture.strides[1:],
            filters=architecture.widths, norm_name=("INSTANCE", {"affine": True}),
            deep_supervision=self.heads > 0, deep_supr_num=max(self.heads, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        output: Any = self.net(x)
        if not self.training:
            return output
        if self.heads == 0:
            return [output]
        logits = list(torch.unbind(output, dim=1))
        step = [1, 1, 1]
        for level in range(1, len(logits)):
            step = [total * s for total, s in zip(step, self.strides[level], strict=True)]
            # MONAI enlarged by nearest neighbour, so that taking every step-th voxel undoes it exactly.
            logits[level] = logits[level][..., :: step[0], :: step[1], :: step[2]]
        return logits


class SegResNetHeads(nn.Module):
    """MONAI's SegResNetDS (Auto3DSeg's network); it derives its own anisotropic strides from the spacing."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.net = SegResNetDS(
            spatial_dims=3, init_filters=architecture.widths[0], in_channels=1, out_channels=1,
            norm="INSTANCE", blocks_down=architecture.blocks, dsdepth=max(len(architecture.blocks) - 1, 1),
            resolution=architecture.spacing_mm,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        return self.net(x)
