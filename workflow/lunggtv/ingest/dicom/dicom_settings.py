"""Settings of the DICOM reader, free of pydicom so that every job may import them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lunggtv.errors import ConfigError


@dataclass(frozen=True)
class DicomSettings:
    """What the user decides about reading DICOM.

    Attributes:
        roi_patterns: regular expressions; a ROI whose whole name matches one of them, upper or lower case
            alike, is GTV.
        slice_tolerance_mm: how far a slice may lie from where a regular stack has it.
        series: key of the CT series pinned for this patient, as the refusal prints it; None if not pinned.
        max_voxels: a series of more voxels is refused before its pixels are read; None for no limit.
    """

    roi_patterns: tuple[str, ...]
    slice_tolerance_mm: float
    series: str | None = None
    max_voxels: int | None = None

    @staticmethod
    def from_config(section: Mapping[str, Any], series: str | None = None) -> "DicomSettings":
        """Settings from the config section ``ingest`` and the patient's entry in ``data.series``.

        Raises:
            ConfigError: a pattern is not a regular expression.
        """
        for pattern in section["roi_patterns"]:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ConfigError(
                    f"ingest.roi_patterns: {pattern!r} is not a regular expression ({error}). A plain name "
                    "needs a backslash before each of . ^ $ * + ? ( ) [ ] { } | and \\."
                ) from error
        return DicomSettings(
            tuple(section["roi_patterns"]),
            float(section["slice_tolerance_mm"]),
            series,
            int(section["max_voxels"]),
        )

    def is_gtv(self, roi_name: str) -> bool:
        """Whether a ROI of this name is GTV."""
        return any(re.fullmatch(p, roi_name.strip(), re.IGNORECASE) for p in self.roi_patterns)
