"""A CT of several slice distances from raw files to a draft's structure set, on files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from lunggtv.files import write_json
from lunggtv.geometry import Grid
from lunggtv.image_files import write_image
from lunggtv.infer.write_rtstruct import write_rtstruct
from lunggtv.nifti_files import write_nifti
from lunggtv.shared_scans import shared_scans
from lunggtv.version import VERSION
from lunggtv.volume import read_volume, write_volume

from tests.unit.dicom_files import CtSeries, Reference, box, patient_files, write_ct
from tests.unit.dicom_files import write_rtstruct as write_drawn
from tests.unit.ingest_bodies import GRID, Outcome, chest_hu, ingest, write_pair

PLANES = (0, 2, 4, 6, 7, 8, 9, 10, 11, 13, 15)
WHOLE = CtSeries(slices=16, rows=36, columns=44, spacing_mm=GRID.spacing_mm, origin_mm=GRID.origin_mm)
SERIES = replace(WHOLE, slices=len(PLANES))
VOXEL_ML = 0.384


def write_uneven(folder: Path, seed: int = 0, turned: bool = False) -> np.ndarray:
    """Write the chest's slices on ``PLANES``, from the head down if turned; return its HU on all planes."""
    whole = chest_hu(seed)
    orientation = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0) if turned else WHOLE.orientation

    def change(dataset, z):
        corner = (PLANES[z], 0, WHOLE.columns - 1) if turned else (PLANES[z], 0, 0)
        dataset.ImagePositionPatient = [f"{v:.9g}" for v in WHOLE.grid.point_mm(corner)]
        dataset.ImageOrientationPatient = list(orientation)

    stored = (whole[list(PLANES)] + np.int16(1024)).astype(np.uint16)
    write_ct(folder / "ct", SERIES, stored[..., ::-1] if turned else stored, change=change)
    return whole


def ingested(folder: Path, labelled: bool = False, interpolate: bool = False) -> Outcome:
    return ingest(patient_files(folder, labelled), folder / "out", interpolate_gtv=interpolate)


@pytest.mark.parametrize("turned", [False, True])
def test_the_volume_has_the_slices_and_planes_between_whichever_way_they_are_stored(tmp_path, turned):
    whole = write_uneven(tmp_path, turned=turned)
    done = ingested(tmp_path)
    volume = read_volume(done.volume, "ingest")
    assert volume.grid.shape == GRID.shape and volume.grid.spacing_mm == GRID.spacing_mm
    assert volume.grid.origin_mm == pytest.approx(GRID.origin_mm)
    np.testing.assert_array_equal(volume.ct[list(PLANES)], whole[list(PLANES)])
    np.testing.assert_array_equal(volume.ct[3], np.rint((whole[4].astype(int) + whole[2]) / 2))
    assert done.verdict["verdict"] == "warned" and done.codes == ["interpolated_planes"]
    assert done.verdict["shape"] == list(GRID.shape)
    # No scanner made the planes between: they say nothing about whose scan it is.
    assert len(done.verdict["ct_slice_digests"]) == len(PLANES)


@pytest.mark.parametrize("turned", [False, True])
def test_the_same_scan_with_all_its_slices_is_found_by_those_that_both_have(tmp_path, turned):
    whole = write_uneven(tmp_path / "a", turned=turned)
    verdicts = {"a": ingested(tmp_path / "a").verdict}
    verdicts["b"] = ingest(write_pair(tmp_path / "b", ct=whole), tmp_path / "b").verdict
    assert f"({len(PLANES)} identical slices)" in shared_scans(verdicts)["a"][0]


def test_ml_of_a_label_between_wide_slices(tmp_path):
    write_uneven(tmp_path)
    contours = [box(WHOLE, z, (15.5, 19.5), (27.5, 31.5)) for z in (4, 6, 7)]
    write_drawn(tmp_path / "rs.dcm", {"GTV": contours}, Reference(SERIES, by_contour=False, by_series=False))
    refused = ingested(tmp_path, labelled=True)
    assert refused.verdict["verdict"] == "rejected" and refused.codes == [
        "interpolated_planes",
        "gtv_between_slices",
    ]
    done = ingested(tmp_path, labelled=True, interpolate=True)
    assert done.verdict["gtv_ml"] == pytest.approx(4 * 16 * VOXEL_ML)
    label = read_volume(done.volume, "ingest").label
    assert label.any(axis=(1, 2)).nonzero()[0].tolist() == [4, 5, 6, 7]
    assert label[5].sum() == 16


@pytest.mark.parametrize("turned", [False, True])
def test_a_draft_goes_back_onto_the_slices(tmp_path, turned):
    write_uneven(tmp_path, turned=turned)
    volume = read_volume(ingested(tmp_path).volume, "ingest")
    write_volume(tmp_path / "cache.h5", "cache", volume)
    write_json(tmp_path / "infer.json", {"models": [{"weights_sha256": "0123456789abcdef"}]})
    original = Grid.from_dict(volume.metadata["original"])
    mask = np.zeros(original.shape, np.uint8)
    mask[3:9, 10:20, 12:18] = 1
    mask[10 if turned else 5, 30:32, 30:33] = 1  # on a plane between slices alone
    write_nifti(tmp_path / "gtv.nii.gz", mask, original)
    write_rtstruct(
        mask_path=tmp_path / "gtv.nii.gz",
        json_path=tmp_path / "infer.json",
        cache_path=tmp_path / "cache.h5",
        raw_files=sorted((tmp_path / "ct").iterdir()),
        roi_name="GTV",
        rtstruct_path=tmp_path / "gtv.dcm",
    )
    found = pydicom.dcmread(tmp_path / "gtv.dcm")
    assert found.StructureSetDescription == (
        f"LungGTV {VERSION}, automatic draft by model 0123456789ab; not approved, to be reviewed by a physician "
        "before any use. Parts between slices alone, which have no contour: 1."
    )
    heights = [float(one.ContourData[2]) for one in found.ROIContourSequence[0].ContourSequence]
    slices = [plane for plane in range(3, 9) if (15 - plane if turned else plane) in PLANES]
    assert heights == pytest.approx([original.point_mm((plane, 0, 0))[2] for plane in slices])
    done = ingested(tmp_path, labelled=True, interpolate=True)
    # Planes at the ends that lie between slices are not known to the structure set.
    back = np.zeros_like(mask)
    back[min(slices) : max(slices) + 1, 10:20, 12:18] = 1
    label = read_volume(done.volume, "ingest").label
    np.testing.assert_array_equal(label, back[::-1, :, ::-1] if turned else back)


def labelled_by(folder: Path, mask: np.ndarray, grid: Grid) -> Outcome:
    write_image(folder / "label.nii.gz", mask, grid)
    files = replace(patient_files(folder, True), label=folder / "label.nii.gz")
    return ingest(files, folder / "out", interpolate_gtv=True)


def test_a_mask_of_the_slices_alone_is_none_of_the_planes(tmp_path):
    """As tools write it that take the slices for evenly apart: every plane behind the first gap lies elsewhere."""
    write_uneven(tmp_path)
    mask = np.zeros((len(PLANES), *GRID.shape[1:]), np.uint8)
    mask[5:8, 16:20, 28:32] = 1
    done = labelled_by(tmp_path, mask, replace(GRID, shape=mask.shape))
    assert done.verdict["verdict"] == "rejected" and done.codes[-1] == "label_of_slices_alone"
    assert "distances vary" in done.words


def test_a_cropped_mask_beside_uneven_slices_is_a_reason_to_look(tmp_path):
    write_uneven(tmp_path)
    mask = np.zeros((5, 8, 8), np.uint8)
    mask[1:4, 2:6, 2:6] = 1
    done = labelled_by(tmp_path, mask, GRID.cropped((6, 14, 26), mask.shape))
    severities = {one["code"]: one["severity"] for one in done.verdict["reasons"]}
    assert severities["label_cropped"] == "warned" and "not evenly apart" in done.words
    assert done.verdict["gtv_ml"] == pytest.approx(48 * VOXEL_ML)
