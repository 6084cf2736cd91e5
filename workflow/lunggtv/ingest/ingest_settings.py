"""What the user decides about ingest: the config section ``ingest``, whose meaning stands in config.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lunggtv.ingest.dicom.dicom_settings import DicomSettings, PreferredSeries
from lunggtv.settings import settings_from


@dataclass(frozen=True)
class IngestSettings:
    """The section; in ``dicom`` what the DICOM reader takes of it."""

    gtv_values: tuple[int, ...]
    spacing_tolerance_mm: float
    position_tolerance_mm: float
    max_voxels: int
    dicom: DicomSettings
    interpolate_gtv: bool = False

    @staticmethod
    def from_config(section: Mapping[str, Any]) -> "IngestSettings":
        """Settings from the config section, with the patient's own ``series`` if one is pinned, and ``prefer_series``.

        Raises:
            ConfigError: a key is unknown or missing, or a pattern is not a regular expression.
        """
        names = {field.name for field in fields(DicomSettings)}
        dicom = {"series": None} | {key: value for key, value in section.items() if key in names}
        dicom["prefer_series"] = [PreferredSeries(**rule) for rule in section.get("prefer_series", ())]
        own = {key: value for key, value in section.items() if key not in names or key == "max_voxels"}
        return settings_from(IngestSettings, own | {"dicom": dicom})
