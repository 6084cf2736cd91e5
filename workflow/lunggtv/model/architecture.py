"""The plan of a network: strides, kernels and widths that follow from spacing and patch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from lunggtv.geometry import Shape, Triple, shape_of, three_of, triple_of

MIN_EDGE = 4  # no axis is halved below this many voxels
NEARLY_ISOTROPIC = 2.0  # an axis joins in once its spacing is within this factor of the finest
MAX_STAGES = 8
MAX_BLOCKS = 16  # of a stage, as the schema of the settings has it


@dataclass(frozen=True)
class Architecture:
    """Everything needed to build the network again; plain types, stored in the model's card."""

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
        return three_of(totals)

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(content: dict[str, Any]) -> "Architecture":
        """Inverse of ``to_dict``. Raises KeyError, TypeError or ValueError for what is no architecture of ours."""
        if len(content["blocks"]) > MAX_STAGES or max(content["blocks"]) > MAX_BLOCKS:
            raise ValueError(f"more than {MAX_STAGES} stages or {MAX_BLOCKS} blocks in one")
        return Architecture(
            name=content["name"],
            spacing_mm=triple_of(content["spacing_mm"]),
            patch_shape=shape_of(content["patch_shape"]),
            kernels=tuple(map(shape_of, content["kernels"])),
            strides=tuple(map(shape_of, content["strides"])),
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
        kernels.append(three_of(kernel))
        large = [axis for axis in range(3) if size[axis] >= 2 * MIN_EDGE]
        finest = min((spacing[axis] for axis in large), default=0.0)
        halved = [axis for axis in large if spacing[axis] / finest < NEARLY_ISOTROPIC]
        too_thin = len(halved) == 1 and size[halved[0]] < 3 * MIN_EDGE
        if not halved or too_thin or len(strides) == MAX_STAGES:
            break
        for axis in halved:
            spacing[axis] *= 2
            size[axis] = -(-size[axis] // 2)
        strides.append(three_of(2 if axis in halved else 1 for axis in range(3)))
    kernels[-1] = (3, 3, 3)  # the bottleneck sees all three axes whatever the spacing
    stages = len(strides)
    plan = Architecture(
        name=name,
        spacing_mm=triple_of(spacing_mm),
        patch_shape=three_of(patch_shape),
        kernels=tuple(kernels),
        strides=tuple(strides),
        widths=tuple(min(width * 2**stage, max_width) for stage in range(stages)),
        blocks=tuple(blocks[min(stage, len(blocks) - 1)] for stage in range(stages)),
    )
    rounded = [-(-n // d) * d for n, d in zip(patch_shape, plan.divisor, strict=True)]
    return replace(plan, patch_shape=three_of(rounded))
