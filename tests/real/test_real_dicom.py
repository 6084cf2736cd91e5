"""DICOM of real scanners: against masks and volumes that others made, and against the clock."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lunggtv.image_files import read_image
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.ingest.raw_scan import RawScan, Refused
from lunggtv.patient_files import PatientFiles

TOLERANCE_MM = 0.1
SPEED_LIMIT_S = 4.0  # of processor time, for 100 slices of 512 x 512 with RTSTRUCT, in a fresh process

# Reads a folder in a process of its own and prints the processor time of all of it, imports too.
TIMED_READ = """
import sys, time
from pathlib import Path
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.patient_files import PatientFiles
folder = Path(sys.argv[1])
files = tuple(sorted(path for path in folder.rglob("*") if path.is_file()))
read_dicom(PatientFiles("1", True, folder, files), DicomSettings(("Tumor.*",), 0.1))
print(time.process_time())
"""


def read(folder: Path, *patterns: str) -> RawScan:
    files = tuple(sorted(path for path in folder.rglob("*") if path.is_file()))
    return read_dicom(PatientFiles("1", True, folder, files), DicomSettings(patterns, TOLERANCE_MM))


def test_ibsi_phantom_equals_the_independent_nifti(unpacked: Path) -> None:
    folder = unpacked / "ibsi-phantom" / "dicom"
    scan = read(folder, "GTV.*")
    image, image_grid = read_image(folder.parent / "nifti" / "image" / "phantom.nii.gz")
    mask, _ = read_image(folder.parent / "nifti" / "mask" / "mask.nii.gz")
    np.testing.assert_array_equal(scan.ct, image)
    # NIfTI holds its geometry in single precision.
    assert scan.grid.spacing_mm == pytest.approx(image_grid.spacing_mm, abs=1e-5)
    assert scan.grid.origin_mm == pytest.approx(image_grid.origin_mm, abs=1e-4)
    assert scan.grid.direction == pytest.approx(image_grid.direction, abs=1e-6)
    np.testing.assert_array_equal(scan.label, mask != 0)
    assert scan.label.sum() * scan.grid.voxel_ml == pytest.approx(358.7, abs=0.1)
    assert scan.notes == ()


def test_4d_lung_phase_has_its_published_tumour_volume(unpacked: Path) -> None:
    scan = read(unpacked / "4dlung-113", "Tumor.*")
    assert scan.ct.shape == (99, 512, 512)
    assert scan.grid.spacing_mm == pytest.approx((3.0, 0.9766, 0.9766))
    assert scan.label.sum() * scan.grid.voxel_ml == pytest.approx(67.6, rel=0.01)
    # Tumour is soft tissue against lung, not air: the contours lie where they should.
    assert np.median(scan.ct[scan.label != 0]) > -100
    assert scan.notes == ()


def test_several_rois_are_joined(unpacked: Path) -> None:
    scan = read(unpacked / "4dlung-113", "Tumor_.*", "LN_.*")
    assert scan.label.sum() * scan.grid.voxel_ml == pytest.approx(67.6 + 6.4, rel=0.01)


def test_roi_names_are_listed_where_none_matches(unpacked: Path) -> None:
    with pytest.raises(Refused, match="'Tumor_c40'"):
        read(unpacked / "4dlung-113", "GTV.*")


def test_100_slices_with_rtstruct_are_fast(unpacked: Path) -> None:
    package = Path(sys.modules["lunggtv"].__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", TIMED_READ, str(unpacked / "4dlung-113")],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert float(done.stdout) < SPEED_LIMIT_S
