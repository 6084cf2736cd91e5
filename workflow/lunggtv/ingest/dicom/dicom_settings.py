"""Settings of the DICOM reader, free of pydicom so that every job may import them."""

import re
from dataclasses import dataclass

from lunggtv.errors import ConfigError


@dataclass(frozen=True)
class PreferredSeries:
    """A rule of ``data.prefer_series``: what a series must fit; None where the rule does not ask.

    Raises:
        ConfigError: a pattern is not a regular expression.
    """

    description: str | None = None
    kernel: str | None = None
    thickness_mm: float | None = None

    def __post_init__(self) -> None:
        for pattern in (self.description, self.kernel):
            if pattern is not None:
                _check_pattern("data.prefer_series", pattern)


@dataclass(frozen=True)
class DicomSettings:
    """What the DICOM reader takes of the config section ``ingest``, the patient's entry in ``data.series``, and
    ``data.prefer_series``.

    ``series`` is None where none is pinned, ``max_voxels`` None for no limit.

    Raises:
        ConfigError: a pattern is not a regular expression.
    """

    roi_patterns: tuple[str, ...]
    slice_tolerance_mm: float
    series: str | None = None
    max_voxels: int | None = None
    prefer_series: tuple[PreferredSeries, ...] = ()

    def __post_init__(self) -> None:
        for pattern in self.roi_patterns:
            _check_pattern("ingest.roi_patterns", pattern)

    def is_gtv(self, roi_name: str) -> bool:
        """Whether a ROI of this name is GTV; any blanks in it count as one space each way they are written."""
        written = (roi_name.strip(), " ".join(roi_name.split()))
        return any(re.fullmatch(p, name, re.IGNORECASE) for p in self.roi_patterns for name in written)


def _check_pattern(key: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"{key}: {pattern!r} is not a regular expression ({error}). A plain name needs a backslash before each "
            "of . ^ $ * + ? ( ) [ ] { } | and \\."
        ) from error
