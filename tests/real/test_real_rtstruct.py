"""A structure set on the slices of a real planning CT, read back by ingest and by a reader of others."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from lunggtv.infer.rtstruct_file import write_structure_set
from lunggtv.infer.write_rtstruct import find_slices
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.patient_files import PatientFiles


def read(*folders: Path, pattern: str):
    """The CT with the ROIs that match, as ingest reads them."""
    files = tuple(sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()))
    return read_dicom(PatientFiles("113", True, folders[0], files), DicomSettings((pattern,), 0.1, None))


@pytest.fixture(scope="module")
def drawn(unpacked, tmp_path_factory):
    """The physician's tumour, made harder: a cavity in it, a channel through it, and a spot of one pixel."""
    home = unpacked / "4dlung-113"
    scan = read(home, pattern="Tumor_.*")
    mask = scan.label.copy()
    z, y, x = (round(float(c)) for c in np.argwhere(mask).mean(axis=0))
    mask[z - 3 : z + 4, y - 5 : y + 6, x - 5 : x + 6] = 0
    mask[z, y, x] = 1
    mask[z - 1 : z + 1, y, x - 30 : x + 30] = 0
    mask[z + 2, 40, 60] = 1
    slices = find_slices(sorted((home / "ct").iterdir()), scan.slice_digests)
    path = tmp_path_factory.mktemp("drawn") / "gtv.dcm"
    write_structure_set(mask, slices, path, "GTV", "LungGTV test")
    return mask, home / "ct", path


def test_ingest_reads_the_same_mask(drawn):
    mask, ct, path = drawn
    assert np.array_equal(read(ct, path.parent, pattern="GTV").label, mask)


def test_an_independent_reader_reads_the_same_mask(drawn):
    # Its OpenCV needs system libraries that a bare machine may lack.
    rt_utils = pytest.importorskip("rt_utils", exc_type=ImportError)
    mask, ct, path = drawn
    found = (
        rt_utils.RTStructBuilder.create_from(str(ct), str(path))
        .get_roi_mask_by_name("GTV")
        .transpose(2, 0, 1)
    )
    assert found.shape == mask.shape
    assert 2 * (found & (mask > 0)).sum() / (found.sum() + mask.sum()) >= 0.99


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy is not here (Debian's dicom3tools)")
def test_a_validator_of_others_finds_no_error(drawn):
    checked = subprocess.run(["dciodvfy", drawn[2]], capture_output=True, text=True, check=False)
    assert "RTStructureSet" in checked.stderr
    assert [line for line in checked.stderr.splitlines() if line.startswith("Error")] == []


def test_the_set_belongs_to_this_ct(drawn):
    mask, ct, path = drawn
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in sorted(ct.iterdir())]
    found = pydicom.dcmread(path)
    places = {header.SOPInstanceUID: float(header.ImagePositionPatient[2]) for header in headers}
    assert found.PatientID == headers[0].PatientID
    assert found.StudyInstanceUID == headers[0].StudyInstanceUID
    assert found.FrameOfReferenceUID == headers[0].FrameOfReferenceUID
    heights = set()
    for contour in found.ROIContourSequence[0].ContourSequence:
        (image,) = contour.ContourImageSequence
        z_mm = np.asarray(contour.ContourData, float)[2::3]
        assert np.allclose(z_mm, places[image.ReferencedSOPInstanceUID], atol=1e-3)
        heights.add(image.ReferencedSOPInstanceUID)
    assert len(heights) == np.count_nonzero(mask.any(axis=(1, 2)))
