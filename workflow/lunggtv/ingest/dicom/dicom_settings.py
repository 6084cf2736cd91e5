"""Settings of the DICOM reader, free of pydicom so that every job may import them."""

import re
from dataclasses import dataclass

from lunggtv.errors import ConfigError


@dataclass(frozen=True)
class DicomSettings:
    """What the DICOM reader takes of the config section ``ingest``, and the patient's entry in ``data.series``.

    ``series`` is None where none is pinned, ``max_voxels`` None for no limit.

    Raises:
        ConfigError: a pattern is not a regular expression.
    """

    roi_patterns: tuple[str, ...]
    slice_tolerance_mm: float
    series: str | None = None
    max_voxels: int | None = None

    def __post_init__(self) -> None:
        for pattern in self.roi_patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ConfigError(
                    f"ingest.roi_patterns: {pattern!r} is not a regular expression ({error}). A plain name "
                    "needs a backslash before each of . ^ $ * + ? ( ) [ ] { } | and \\."
                ) from error

    def is_gtv(self, roi_name: str) -> bool:
        """Whether a ROI of this name is GTV."""
        return any(re.fullmatch(p, roi_name.strip(), re.IGNORECASE) for p in self.roi_patterns)
