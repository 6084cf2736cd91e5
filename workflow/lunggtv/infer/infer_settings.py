"""Settings of the inference, keys of the config section ``infer``; their meaning stands in config.yaml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lunggtv.errors import ConfigError

# AAPM TG-263, target names: type, classifier, number, then indicators; at most 16 characters, no blanks.
ROI_NAME = re.compile(r"GTV(p|n|sb|par|v|vas)?[0-9]*(_[A-Za-z0-9.]+)*(-[0-9]{2})?(\^[A-Za-z0-9]+)?")
ROI_NAME_CHARACTERS = 16


@dataclass(frozen=True)
class DrawingSettings:
    """How a probability becomes a mask; None lets out-of-fold predictions decide."""

    threshold: float | None
    smallest_lesion_ml: float | None


def checked_roi_name(section: Mapping[str, Any]) -> str:
    """The structure's name in the RTSTRUCT.

    Raises:
        ConfigError: it is not a TG-263 name of a gross tumour volume.
    """
    name = str(section["roi_name"])
    if len(name) > ROI_NAME_CHARACTERS or not ROI_NAME.fullmatch(name):
        raise ConfigError(
            f"infer.roi_name: {name!r} is not a TG-263 name of a gross tumour volume; take GTV, or a name "
            f"like GTVp, GTVn1 or GTV_Draft of at most {ROI_NAME_CHARACTERS} characters, without blanks."
        )
    return name
