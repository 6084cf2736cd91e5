"""What the user decides about ingest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lunggtv.ingest.dicom.dicom_settings import DicomSettings


@dataclass(frozen=True)
class IngestSettings:
    """The config section ``ingest``.

    Attributes:
        gtv_values: label values that are GTV.
        spacing_tolerance_mm: spacing of label and image may differ by this much on each axis.
        position_tolerance_mm: any voxel of the label may lie this far from the image's voxel.
        max_voxels: a file whose header promises more voxels is refused before anything is allocated.
        dicom: what concerns DICOM folders alone.
    """

    gtv_values: tuple[int, ...]
    spacing_tolerance_mm: float
    position_tolerance_mm: float
    max_voxels: int
    dicom: DicomSettings

    @staticmethod
    def from_config(section: Mapping[str, Any]) -> "IngestSettings":
        """Settings from the config section, with the patient's own ``series`` if one is pinned."""
        return IngestSettings(
            gtv_values=tuple(section["gtv_values"]),
            spacing_tolerance_mm=float(section["spacing_tolerance_mm"]),
            position_tolerance_mm=float(section["position_tolerance_mm"]),
            max_voxels=int(section["max_voxels"]),
            dicom=DicomSettings.from_config(section, section.get("series")),
        )
