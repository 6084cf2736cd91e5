"""Real scans through the whole of ingest: verdict, volume, geometry, posture."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from lunggtv.cohort.discover import find_patients
from lunggtv.geometry import Grid, Orientation
from lunggtv.image_files import read_image
from lunggtv.ingest.anatomy import body_mask, thinned_mm, thinning
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.hounsfield import to_hounsfield
from lunggtv.ingest.ingest_patient import ingest_patient
from lunggtv.ingest.ingest_settings import IngestSettings
from lunggtv.ingest.posture import check_posture
from lunggtv.ingest.raw_scan import Refused
from lunggtv.volume import Volume, read_volume

SETTINGS = IngestSettings((1,), 0.001, 0.1, 300_000_000, DicomSettings(("GTV.*", "Tumor_.*"), 0.1))
CODES = ("upside_down", "back_to_front", "left_right_swapped")


def ingested(root: Path, out: Path, labelled: bool, image: str, label: str = "{patient}/none.nii.gz"):
    """Verdict and volume of the only patient below ``root``."""
    (files,) = find_patients(root, labelled, image, label, follow_links=True)
    ingest_patient(files, SETTINGS, volume_path=out / "volume.h5", verdict_path=out / "verdict.json")
    verdict = json.loads((out / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["verdict"] == "accepted", verdict["reasons"]
    return verdict, read_volume(out / "volume.h5", "ingest")


@pytest.fixture(scope="module")
def lung_113(unpacked, tmp_path_factory):
    """The 4D CT phase with its structure set."""
    root, out = tmp_path_factory.mktemp("113"), tmp_path_factory.mktemp("out")
    (root / "113").symlink_to(unpacked / "4dlung-113")
    return ingested(root, out, True, "{patient}/data.nii.gz")


@pytest.fixture(scope="module")
def oblique(real_data, tmp_path_factory):
    """The thorax whose axes are turned by 20 degrees, and its file."""
    out = tmp_path_factory.mktemp("out")
    root = tmp_path_factory.mktemp("oblique")
    (root / "o").mkdir()
    path = root / "o" / "ct.nrrd"
    path.write_bytes((real_data / "oblique-ct.nrrd").read_bytes())
    return *ingested(root, out, False, "{patient}/ct.nrrd"), path


def test_the_4d_ct_with_its_tumour(lung_113):
    verdict, volume = lung_113
    assert verdict["gtv_ml"] == pytest.approx(67.6, rel=0.01)
    assert (verdict["format"], verdict["hu_rule"], verdict["reasons"]) == ("dicom", "as stored", [])
    assert volume.ct.shape == (99, 512, 512)
    assert volume.grid.spacing_mm == pytest.approx((3.0, 0.977, 0.977), abs=0.001)


def test_the_same_case_as_dicom_and_as_nifti_is_one(unpacked, tmp_path):
    home = unpacked / "ibsi-phantom"
    for name, kind in (("d", "dicom"), ("n", "nifti")):
        (tmp_path / name / "1").mkdir(parents=True)
        for file in (home / kind).rglob("*"):
            if file.is_file():
                flat = {"phantom.nii.gz": "data.nii.gz", "mask.nii.gz": "label.nii.gz"}.get(
                    file.name, file.name
                )
                (tmp_path / name / "1" / flat).write_bytes(file.read_bytes())
    as_dicom, one = ingested(tmp_path / "d", tmp_path / "od", True, "{patient}/data.nii.gz")
    as_nifti, two = ingested(
        tmp_path / "n", tmp_path / "on", True, "{patient}/data.nii.gz", "{patient}/label.nii.gz"
    )
    assert (as_dicom["format"], as_nifti["format"]) == ("dicom", "nifti")
    assert as_dicom["ct_digest"] == as_nifti["ct_digest"]
    assert as_dicom["gtv_ml"] == pytest.approx(358.7, rel=0.001)
    assert np.array_equal(one.ct, two.ct)
    assert np.array_equal(one.label, two.label)
    assert np.allclose(one.grid.point_mm((0, 0, 0)), two.grid.point_mm((0, 0, 0)), atol=1e-3)


def test_the_oblique_volume_keeps_its_direction_and_its_way_back(oblique):
    verdict, volume, path = oblique
    stored, grid = read_image(path)
    assert verdict["format"] == "nrrd"
    assert volume.label is None
    original = Grid.from_dict(volume.metadata["original"])
    assert original == grid
    back = Orientation.from_dict(volume.metadata["orientation"]).undo(volume.ct)
    assert np.array_equal(back, np.maximum(stored, -1024))
    assert np.abs(volume.grid.matrix - np.eye(3)).max() > 0.2, "still oblique"
    # A voxel lies where it lay: the same physical place, found on both grids, holds the same value.
    place = volume.grid.point_mm((40, 20, 30))
    z, y, x = np.rint(grid.index_zyx(place)).astype(int)
    assert volume.ct[40, 20, 30] == max(stored[z, y, x], -1024)


@pytest.mark.parametrize("offset", [1024, 1000])
def test_a_lost_intercept_is_found_in_real_scans(lung_113, oblique, offset):
    for _, volume, *_ in (lung_113, oblique):
        scan = to_hounsfield(volume.ct + np.int16(offset), "ct")
        assert scan.rule == f"minus {offset}"
        assert np.array_equal(scan.ct, volume.ct)


def test_real_scans_in_other_units_are_refused(lung_113, oblique):
    for _, volume, *_ in (lung_113, oblique):
        for values in (np.clip(volume.ct, -160, 240), volume.ct // 2, -volume.ct, np.abs(volume.ct)):
            with pytest.raises(Refused, match="not in Hounsfield units"):
                to_hounsfield(values, "ct")


def posture(volume: Volume, axes: tuple[int, ...]) -> list[str]:
    thin = np.ascontiguousarray(np.flip(volume.ct, axes)[thinning(volume.grid.spacing_mm)])
    spacing_mm = thinned_mm(volume.grid.spacing_mm)
    return [reason.code for reason in check_posture(thin, body_mask(thin), spacing_mm, "ct")]


@pytest.mark.parametrize("axes", [a for count in range(4) for a in combinations(range(3), count)], ids=str)
def test_swapped_real_thoraxes_are_warned_about_and_right_ones_are_not(lung_113, oblique, axes):
    for volume in (lung_113[1], oblique[1]):
        assert posture(volume, axes) == [CODES[axis] for axis in axes]
