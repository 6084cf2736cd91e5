"""The size of a scan from its header alone, in every format; an upper bound for DICOM."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from lunggtv.geometry import Grid
from lunggtv.image_files import write_image
from lunggtv.patient_files import PatientFiles
from lunggtv.scan_size import ScanSize, scan_size
from pydicom.uid import ImplicitVRLittleEndian, JPEGLosslessSV1

from tests.unit import dicom_files

SHAPE = (7, 11, 300)
GRID = Grid(SHAPE, (5.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
VOXELS = 7 * 11 * 300


def of_image(path: Path) -> ScanSize | None:
    return scan_size(PatientFiles("7", False, path.parent, (path,), path))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize(("kind", "stored"), [(np.int16, 2), (np.uint8, 1), (np.float32, 4), (np.float64, 8)])
def test_voxels_and_bytes_of_an_image(tmp_path, suffix, kind, stored):
    if suffix in (".nhdr", ".mhd"):
        import SimpleITK as sitk

        sitk.WriteImage(sitk.GetImageFromArray(np.zeros(SHAPE, kind)), str(tmp_path / f"ct{suffix}"))
    else:
        write_image(tmp_path / f"ct{suffix}", np.zeros(SHAPE, kind), GRID)
    assert of_image(tmp_path / f"ct{suffix}") == ScanSize(VOXELS, stored)


def test_a_slope_is_told_and_the_byte_order_is_the_file_s(tmp_path):
    write_image(tmp_path / "ct.nii", np.zeros(SHAPE, np.int16), GRID)
    header = bytearray((tmp_path / "ct.nii").read_bytes())
    struct.pack_into("<2f", header, 112, 0.5, 0.0)
    (tmp_path / "scaled.nii.gz").write_bytes(gzip.compress(bytes(header)))
    assert of_image(tmp_path / "scaled.nii.gz") == ScanSize(VOXELS, 2, scaled=True)
    big = bytearray(352)
    struct.pack_into(">i", big, 0, 348)
    struct.pack_into(">4h", big, 40, 3, *SHAPE[::-1])
    struct.pack_into(">2h", big, 70, 4, 16)
    struct.pack_into(">f", big, 108, 352)
    big[344:348] = b"n+1\0"
    (tmp_path / "big.nii").write_bytes(bytes(big))
    assert of_image(tmp_path / "big.nii") == ScanSize(VOXELS, 2)


@pytest.mark.parametrize("content", [b"", b"no image", bytes(400), b"\x1f\x8b\x08torn"])
@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd", "ct.mha", "ct.vtk"])
def test_where_the_header_says_nothing_nothing_is_known(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert of_image(tmp_path / name) is None
    assert of_image(tmp_path / f"missing.{name}") is None


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian, JPEGLosslessSV1])
def test_a_series_has_its_slices_whatever_packs_them(tmp_path, syntax):
    series = dicom_files.CtSeries(slices=9, rows=200, columns=300, **({"syntax": syntax} if syntax else {}))
    dicom_files.write_ct(tmp_path, series, stored=np.zeros((9, 200, 300), np.uint16))
    found = scan_size(dicom_files.patient_files(tmp_path, labelled=False))
    assert 1 <= found.voxels / (9 * 200 * 300) < 1.03 and found.stored_bytes == 2


def test_of_files_that_are_no_slices_the_bytes_count(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1000))
    (tmp_path / "b").write_bytes(bytes(500))
    files = PatientFiles("7", False, tmp_path, (tmp_path / "a", tmp_path / "b"))
    assert scan_size(files) == ScanSize(750)
    assert scan_size(PatientFiles("7", False, tmp_path, ())) is None
    (tmp_path / "c").touch()
    assert scan_size(PatientFiles("7", False, tmp_path, (tmp_path / "c",))) is None
