"""The settings of config.yaml, with numbers where they say auto: what is planned for StructSeg 2019."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PLANNED = {"cache": {"spacing_mm": [5.0, 1.17, 1.17]}, "train": {"patch_shape": [48, 160, 192]}}


def full_size() -> dict[str, Any]:
    """Every section of config.yaml, without auto."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return config | {stage: with_numbers(stage, config[stage]) for stage in PLANNED}


def with_numbers(stage: str, section: dict[str, Any]) -> dict[str, Any]:
    """A section of settings, without auto."""
    auto = {key: numbers for key, numbers in PLANNED[stage].items() if section[key] == "auto"}
    return {**section, **auto}
