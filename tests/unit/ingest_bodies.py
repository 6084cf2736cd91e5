"""A small chest for ingest tests, written as the files users have, and what ingest says about them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from lunggtv.geometry import Grid
from lunggtv.image_files import write_image
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.ingest_patient import ingest_patient
from lunggtv.ingest.ingest_settings import IngestSettings
from lunggtv.patient_files import PatientFiles

LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
GRID = Grid((16, 36, 44), (6.0, 8.0, 8.0), (-170.0, -140.0, -50.0), LPS)
SETTINGS = IngestSettings(
    gtv_values=(1,),
    spacing_tolerance_mm=0.001,
    position_tolerance_mm=0.1,
    max_voxels=10_000_000,
    dicom=DicomSettings(("GTV.*",), 0.1),
)


def chest_hu(seed: int = 0, noise_hu: float = 15.0) -> np.ndarray:
    """Air, an oval body and two lungs on ``GRID``, with noise; int16."""
    z, y, x = np.indices(GRID.shape)
    ct = np.full(GRID.shape, -1000.0)
    ct[((y - 18) / 13) ** 2 + ((x - 22) / 18) ** 2 < 1] = 40
    for middle in (13, 31):
        ct[((y - 18) / 9) ** 2 + ((x - middle) / 6) ** 2 + ((z - 8) / 7) ** 2 < 1] = -820
    ct += np.random.default_rng(seed).normal(0, noise_hu, ct.shape)
    return np.maximum(np.rint(ct), -1024).astype(np.int16)


def gtv_mask() -> np.ndarray:
    """A ball in the left lung."""
    z, y, x = np.indices(GRID.shape)
    return (((z - 8) * 6) ** 2 + ((y - 18) * 8) ** 2 + ((x - 30) * 8) ** 2 < 20**2).astype(np.uint8)


@dataclass(frozen=True)
class Outcome:
    """What ingest wrote for one patient."""

    verdict: dict[str, Any]
    volume: Path

    @property
    def codes(self) -> list[str]:
        """Codes of all reasons."""
        return [reason["code"] for reason in self.verdict["reasons"]]

    @property
    def words(self) -> str:
        """Texts of all reasons."""
        return " ".join(reason["text"] for reason in self.verdict["reasons"])


def write_pair(
    folder: Path,
    ct: np.ndarray | None = None,
    label: np.ndarray | None = None,
    grid: Grid = GRID,
    label_grid: Grid | None = None,
    suffix: str = ".nii.gz",
) -> PatientFiles:
    """A labelled patient of image and label files; the chest and its ball where nothing else is given."""
    folder.mkdir(parents=True, exist_ok=True)
    image, drawn = folder / f"data{suffix}", folder / f"label{suffix}"
    write_image(image, chest_hu() if ct is None else ct, grid)
    write_image(drawn, gtv_mask() if label is None else label, label_grid or grid)
    return PatientFiles("7", True, folder, (image, drawn), image, drawn)


def ingest(files: PatientFiles, out: Path, **changed: Any) -> Outcome:
    """Run ingest on one patient, with settings changed as given."""
    ingest_patient(
        files, replace(SETTINGS, **changed), volume_path=out / "volume.h5", verdict_path=out / "verdict.json"
    )
    return Outcome(json.loads((out / "verdict.json").read_text(encoding="utf-8")), out / "volume.h5")


def sitk_image(array: np.ndarray, is_vector: bool = False) -> sitk.Image:
    """An image of any dimension on the default grid's spacing."""
    image = sitk.GetImageFromArray(array, isVector=is_vector)
    image.SetSpacing([8.0, 8.0, 6.0, 1.0][: image.GetDimension()])
    return image
