"""The settings of training: the config section ``train`` but for ``run_folds``, as explained in config.yaml."""

from dataclasses import asdict, dataclass
from typing import Any

from lunggtv.errors import ConfigError
from lunggtv.geometry import Shape, Triple

Range = tuple[float, float]


@dataclass(frozen=True)
class NetworkSettings:
    """Which network, and how large."""

    name: str
    width: int
    max_width: int
    blocks: tuple[int, ...]


@dataclass(frozen=True)
class AugmentationSettings:
    """Ranges of the random changes. A range with its ends swapped raises ConfigError."""

    mirror_share: float
    geometry_share: float
    rotation_in_plane_deg: float
    rotation_out_of_plane_deg: float
    scale: Range
    elastic_share: float
    elastic_mm: float
    elastic_spacing_mm: float
    low_resolution_share: float
    low_resolution: Range
    blur_share: float
    blur_mm: Range
    noise_share: float
    noise_hu: float
    brightness_share: float
    brightness_hu: float
    contrast_share: float
    contrast: Range
    gamma_share: float
    gamma: Range

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ConfigError(
                    f"train.augmentation.{key} is {list(value)}; the smaller number comes first."
                )


@dataclass(frozen=True)
class TrainSettings:
    """Everything that shapes the weights besides data, code and fold; numbers alone, never ``auto``."""

    seed: int
    steps: int
    batch: int
    patch_shape: Shape
    foreground_share: float
    network: NetworkSettings
    optimiser: str
    learning_rate: float
    momentum: float
    weight_decay: float
    clip_norm: float
    ema_decay: float
    deep_supervision: bool
    snapshots: int
    deterministic: bool
    compile: bool
    mixed_precision: bool
    augmentation: AugmentationSettings

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for fingerprints."""
        return asdict(self)


def spacing_of(spacings_mm: list[Triple]) -> Triple:
    """Median spacing of the training caches, axis by axis: what the network is planned for.

    With an odd count the middle one, with an even count the lower of the two in the middle.
    """
    axes = zip(*spacings_mm, strict=True)
    z, y, x = (sorted(axis)[(len(axis) - 1) // 2] for axis in axes)
    return (z, y, x)
