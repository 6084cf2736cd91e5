"""The settings of training, built once from the checked config section ``train``."""

from dataclasses import asdict, dataclass, fields
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
    """Ranges of the random changes; ``*_share`` is the share of samples that get one."""

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


@dataclass(frozen=True)
class TrainSettings:
    """Everything that shapes the weights besides data, code and fold. Units as in config.yaml."""

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
    bfloat16: bool
    augmentation: AugmentationSettings

    @staticmethod
    def from_config(section: dict[str, Any]) -> "TrainSettings":
        """Settings of the config section; the schema has checked types and ranges.

        Raises ConfigError where a range has its ends swapped.
        """
        for key, value in section["augmentation"].items():
            if isinstance(value, list) and value[0] > value[1]:
                raise ConfigError(f"train.augmentation.{key} is {value}; the smaller number comes first.")
        values = {**section}
        values["patch_shape"] = tuple(section["patch_shape"])
        values["network"] = NetworkSettings(**_tuples(section["network"]))
        values["augmentation"] = AugmentationSettings(**_tuples(section["augmentation"]))
        return TrainSettings(**{field.name: values[field.name] for field in fields(TrainSettings)})

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


def _tuples(section: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in section.items()}
