"""An anisotropic residual-encoder U-Net; strides and kernels follow from spacing and patch.

The layout is nnU-Net's "ResEnc" (Isensee et al. 2024, "nnU-Net Revisited"): residual blocks down, one plain
convolution a stage up, transposed-convolution upsampling (its backward is deterministic on CUDA, trilinear's
is not), instance norm, leaky ReLU. GTV or not is one decision, so there is one output: the logit of GTV.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from lunggtv.geometry import Shape, three_of
from lunggtv.model.architecture import Architecture

SLOPE = 0.01  # of the leaky ReLU, as in nnU-Net
# Share of GTV a new network expects (Lin et al. 2017, "Focal loss"). Starting from one half instead, the
# first hundreds of steps only teach it that most voxels are none.
GTV_PRIOR = 0.01


class ResidualEncoderUNet(nn.Module):
    """See the module's docstring; one input channel (normalised CT), one logit out."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        widths, kernels, strides = architecture.widths, architecture.kernels, architecture.strides
        self.stem = ConvNormRelu(1, widths[0], kernels[0])
        encoder = []
        for stage, (width, kernel, stride) in enumerate(zip(widths, kernels, strides, strict=True)):
            before = widths[max(stage - 1, 0)]
            first = ResidualBlock(before, width, kernel, stride)
            more = [
                ResidualBlock(width, width, kernel, (1, 1, 1)) for _ in range(architecture.blocks[stage] - 1)
            ]
            encoder.append(nn.Sequential(first, *more))
        self.encoder = nn.ModuleList(encoder)
        ups, decoder, heads = [], [], []
        for stage in range(len(widths) - 2, -1, -1):
            stride, width = strides[stage + 1], widths[stage]
            ups.append(nn.ConvTranspose3d(widths[stage + 1], width, stride, stride, bias=False))
            decoder.append(ConvNormRelu(2 * width, width, kernels[stage]))
            heads.append(nn.Conv3d(width, 1, 1))
        self.ups, self.decoder, self.heads = nn.ModuleList(ups), nn.ModuleList(decoder), nn.ModuleList(heads)
        self.apply(_initialise)
        for head in heads:
            if head.bias is not None:
                nn.init.constant_(head.bias, math.log(GTV_PRIOR / (1 - GTV_PRIOR)))

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        x = self.stem(x)
        skips = []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        logits = []
        skips.pop()
        for up, convolution, head in zip(self.ups, self.decoder, self.heads, strict=True):
            x = convolution(torch.cat((up(x), skips.pop()), dim=1))
            if self.training:
                logits.append(head(x))
        return logits[::-1] if self.training else self.heads[-1](x)


class ConvNormRelu(nn.Module):
    """Convolution without bias (the norm has one), instance norm, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: Shape, stride: Shape = (1, 1, 1)) -> None:
        super().__init__()
        self.conv = _convolution(inputs, outputs, kernel, stride)
        self.norm = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        # In place also in training: neither a norm nor a sum needs its result for the backward pass.
        return functional.leaky_relu(self.norm(self.conv(x)), SLOPE, inplace=True)


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut, which pools and projects where shapes differ (ResNet-D)."""

    def __init__(self, inputs: int, outputs: int, kernel: Shape, stride: Shape) -> None:
        super().__init__()
        self.first = ConvNormRelu(inputs, outputs, kernel, stride)
        self.conv = _convolution(outputs, outputs, kernel)
        self.norm = _norm(outputs)
        self.stride = stride
        self.project = nn.Conv3d(inputs, outputs, 1, bias=False) if inputs != outputs else None
        self.project_norm = _norm(outputs) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = block_mean(x, self.stride)
        if self.project is not None and self.project_norm is not None:
            shortcut = self.project_norm(self.project(shortcut))
        x = self.norm(self.conv(self.first(x))).add_(shortcut)
        return functional.leaky_relu(x, SLOPE, inplace=True)


def block_mean(x: Tensor, stride: Shape) -> Tensor:
    """Mean of (B, C, Z, Y, X) over blocks of ``stride`` voxels, which must divide it. What average pooling
    gives, with a backward that is deterministic on CUDA, which ``avg_pool3d`` does not have."""
    if max(stride) == 1:
        return x
    split = [part for n, step in zip(x.shape[2:], stride, strict=True) for part in (n // step, step)]
    return x.reshape(*x.shape[:2], *split).mean(dim=(3, 5, 7))


def _norm(channels: int) -> nn.InstanceNorm3d:
    return nn.InstanceNorm3d(channels, affine=True)


def _convolution(inputs: int, outputs: int, kernel: Shape, stride: Shape = (1, 1, 1)) -> nn.Conv3d:
    padding = three_of(size // 2 for size in kernel)
    return nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)


def _initialise(module: nn.Module) -> None:
    """He initialisation for leaky ReLU (He et al. 2015); norms start as identity, biases at zero."""
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(module.weight, a=SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
