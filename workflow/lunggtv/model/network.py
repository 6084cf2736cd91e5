"""An anisotropic residual-encoder U-Net; strides and kernels follow from spacing and patch.

The layout is nnU-Net's "ResEnc" (Isensee et al. 2024, "nnU-Net Revisited"): residual blocks down, one plain
convolution a stage up, transposed-convolution upsampling (its backward is deterministic on CUDA, trilinear's
is not), instance norm, leaky ReLU. GTV or not is one decision, so there is one output: the logit of GTV.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lunggtv.geometry import Shape, Triple

MIN_EDGE = 4  # no axis is halved below this many voxels
NEARLY_ISOTROPIC = 2.0  # an axis joins in once its spacing is within this factor of the finest
SLOPE = 0.01  # of the leaky ReLU, as in nnU-Net
MAX_STAGES = 8
MAX_BLOCKS = 16  # of a stage, as the schema of the settings has it
# Share of GTV a new network expects (Lin et al. 2017, "Focal loss"). Starting from one half instead, the
# first hundreds of steps only teach it that most voxels are none.
GTV_PRIOR = 0.01
MONAI_NETWORKS = ("dynunet", "segresnet")


@dataclass(frozen=True)
class Architecture:
    """Everything needed to build the network again; plain types, stored in model.json."""

    name: str
    spacing_mm: Triple
    patch_shape: Shape
    kernels: tuple[Shape, ...]
    strides: tuple[Shape, ...]
    widths: tuple[int, ...]
    blocks: tuple[int, ...]

    @property
    def divisor(self) -> Shape:
        """Input shapes must be multiples of this, axis by axis."""
        totals = [1, 1, 1]
        for stride in self.strides:
            totals = [total * step for total, step in zip(totals, stride, strict=True)]
        return (totals[0], totals[1], totals[2])

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {key: _listed(value) for key, value in asdict(self).items()}

    @staticmethod
    def from_dict(content: dict[str, Any]) -> "Architecture":
        """Inverse of ``to_dict``. Raises KeyError, TypeError or ValueError for what is no architecture of ours."""
        if len(content["blocks"]) > MAX_STAGES or max(content["blocks"]) > MAX_BLOCKS:
            raise ValueError(f"more than {MAX_STAGES} stages or {MAX_BLOCKS} blocks in one")
        return Architecture(
            name=content["name"],
            spacing_mm=tuple(float(v) for v in content["spacing_mm"]),
            patch_shape=tuple(int(v) for v in content["patch_shape"]),
            kernels=tuple(tuple(int(v) for v in kernel) for kernel in content["kernels"]),
            strides=tuple(tuple(int(v) for v in stride) for stride in content["strides"]),
            widths=tuple(int(v) for v in content["widths"]),
            blocks=tuple(int(v) for v in content["blocks"]),
        )


def plan_architecture(
    name: str, spacing_mm: Triple, patch_shape: Shape, width: int, max_width: int, blocks: Sequence[int]
) -> Architecture:
    """Strides and kernels of every stage, after nnU-Net's rule (Isensee et al. 2021, supplement).

    An axis is halved while it has at least twice ``MIN_EDGE`` voxels and its spacing is within
    ``NEARLY_ISOTROPIC`` of the finest axis that can still be halved; its kernel grows from 1 to 3 as soon as
    its spacing is within that factor of the finest of all. For 5 x 1.17 x 1.17 mm the first two stages thus
    see single slices. ``blocks`` gives the residual blocks a stage; its last number serves deeper stages.
    The patch is rounded up to what the strides can divide.
    """
    spacing, size = list(spacing_mm), list(patch_shape)
    kernel = [1, 1, 1]
    kernels: list[Shape] = []
    strides: list[Shape] = [(1, 1, 1)]
    while True:
        kernel = [
            3 if k == 3 or s / min(spacing) < NEARLY_ISOTROPIC else 1
            for k, s in zip(kernel, spacing, strict=True)
        ]
        kernels.append((kernel[0], kernel[1], kernel[2]))
        large = [axis for axis in range(3) if size[axis] >= 2 * MIN_EDGE]
        finest = min((spacing[axis] for axis in large), default=0.0)
        halved = [axis for axis in large if spacing[axis] / finest < NEARLY_ISOTROPIC]
        too_thin = len(halved) == 1 and size[halved[0]] < 3 * MIN_EDGE
        if not halved or too_thin or len(strides) == MAX_STAGES:
            break
        for axis in halved:
            spacing[axis] *= 2
            size[axis] = -(-size[axis] // 2)
        strides.append(tuple(2 if axis in halved else 1 for axis in range(3)))
    kernels[-1] = (3, 3, 3)  # the bottleneck sees all three axes whatever the spacing
    stages = len(strides)
    plan = Architecture(
        name=name,
        spacing_mm=tuple(float(v) for v in spacing_mm),
        patch_shape=tuple(patch_shape),
        kernels=tuple(kernels),
        strides=tuple(strides),
        widths=tuple(min(width * 2**stage, max_width) for stage in range(stages)),
        blocks=tuple(blocks[min(stage, len(blocks) - 1)] for stage in range(stages)),
    )
    rounded = [-(-n // d) * d for n, d in zip(patch_shape, plan.divisor, strict=True)]
    return Architecture(**{**asdict(plan), "patch_shape": tuple(rounded)})


def build_network(architecture: Architecture) -> nn.Module:
    """The network of an architecture. In training mode it returns a list of logits, finest first, each
    (B, 1, Z, Y, X) at its own resolution; in evaluation mode the finest alone.

    Raises ValueError for an unknown name.
    """
    if architecture.name == "residual_encoder":
        return ResidualEncoderUNet(architecture)
    if architecture.name not in MONAI_NETWORKS:
        raise ValueError(f"no network is called {architecture.name}")
    # MONAI takes seconds to import, so only who asks for its networks pays for it.
    from lunggtv.model.monai_networks import build_monai_network

    return build_monai_network(architecture)


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
        for head in self.heads:
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
        return functional.leaky_relu(self.norm(self.conv(x)), SLOPE, inplace=not self.training)


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
        if self.project is not None:
            shortcut = self.project_norm(self.project(shortcut))
        x = self.norm(self.conv(self.first(x)))
        x = x + shortcut if self.training else x.add_(shortcut)
        return functional.leaky_relu(x, SLOPE, inplace=not self.training)


def block_mean(x: Tensor, stride: Shape) -> Tensor:
    """Mean of (B, C, Z, Y, X) over blocks of ``stride`` voxels, which must divide it. What average pooling
    gives, with a backward that is deterministic on CUDA, which ``avg_pool3d`` does not have."""
    if max(stride) == 1:
        return x
    split = [part for n, step in zip(x.shape[2:], stride, strict=True) for part in (n // step, step)]
    return x.reshape(*x.shape[:2], *split).mean(dim=(3, 5, 7))


def parameter_count(network: nn.Module) -> int:
    """Number of trained numbers."""
    return sum(parameter.numel() for parameter in network.parameters())


def _norm(channels: int) -> nn.InstanceNorm3d:
    return nn.InstanceNorm3d(channels, affine=True)


def _convolution(inputs: int, outputs: int, kernel: Shape, stride: Shape = (1, 1, 1)) -> nn.Conv3d:
    padding = tuple(size // 2 for size in kernel)
    return nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)


def _initialise(module: nn.Module) -> None:
    """He initialisation for leaky ReLU (He et al. 2015); norms start as identity, biases at zero."""
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(module.weight, a=SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, tuple) else value
