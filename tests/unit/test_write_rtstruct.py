"""Structure sets: outlines that fill back to the mask, and what a planning system needs to open them."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lunggtv.errors import ConfigError, DamagedFile
from lunggtv.files import file_digest
from lunggtv.infer.infer_settings import checked_roi_name
from lunggtv.infer.outlines import outlines
from lunggtv.infer.rtstruct_file import write_structure_set
from lunggtv.infer.write_rtstruct import find_slices
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.version import VERSION
from scipy import ndimage

from tests.unit.dicom_files import NAME_MARK, UID_MARK, CtSeries, patient_files, write_ct
from tests.unit.dicom_files import settings as dicom_settings

MASKS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))
FEET_FIRST = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
TILTED = (0.98, 0.0, -0.198997487, 0.0, 1.0, 0.0)


def filled(shape: tuple[int, int], polygons: list[np.ndarray]) -> np.ndarray:
    """Pixels whose centre lies inside: a ray to the right crosses an odd number of sides."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    inside = np.zeros(shape, bool)
    for polygon in polygons:
        for (y0, x0), (y1, x1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            if y0 == y1:
                continue
            crossed = (y0 > rows) != (y1 > rows)
            inside ^= crossed & (columns < x0 + (x1 - x0) * (rows - y0) / (y1 - y0))
    return inside


def area(polygon: np.ndarray) -> float:
    y, x = polygon.T
    return abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))) / 2


@settings(max_examples=300, deadline=None)
@given(mask=MASKS)
def test_outlines_fill_back_to_the_mask(mask):
    assert np.array_equal(filled(mask.shape, outlines(mask)), mask)


@settings(max_examples=100, deadline=None)
@given(mask=MASKS)
def test_one_closed_outline_for_each_region(mask):
    regions = ndimage.label(mask)[1]  # joined by sides
    assert len(outlines(mask)) == regions
    assert all(len(polygon) >= 4 for polygon in outlines(mask))


def test_outline_of_one_pixel_is_a_diamond_around_its_centre():
    mask = np.zeros((3, 3), bool)
    mask[1, 2] = True
    (diamond,) = outlines(mask)
    corners = np.asarray(sorted(map(tuple, diamond)))
    assert corners == pytest.approx(np.asarray([(0.51, 2.0), (1.0, 1.51), (1.0, 2.49), (1.49, 2.0)]))


def test_straight_sides_have_no_points_between_corners():
    # A rectangle has two points at each of its four cut corners.
    (polygon,) = outlines(np.ones((5, 9), bool))
    assert len(polygon) == 8


def test_area_is_that_of_the_pixels_but_for_cut_corners():
    mask = np.ones((10, 20), bool)
    (polygon,) = outlines(mask)
    # Half a pixel for four cut corners, a hundredth of a pixel along the border of 60.
    assert area(polygon) == pytest.approx(200 - 0.5 - 0.01 * 60, abs=0.05)


def test_hole_is_a_keyhole_of_no_width():
    mask = np.ones((7, 7), bool)
    mask[3, 3] = False
    (polygon,) = outlines(mask)
    assert area(polygon) == pytest.approx(48 - 0.5 + 0.5, abs=0.5)
    points = [tuple(point.round(6)) for point in polygon]
    twice = {point for point in points if points.count(point) == 2}
    # The channel runs along row 3, from the hole's right side to the outline, and back.
    assert twice == {(3.0, 3.51), (3.0, 6.49)}


@pytest.fixture
def ct(tmp_path):
    series = CtSeries(slices=6, rows=12, columns=16)
    write_ct(tmp_path / "ct", series)
    return series, sorted((tmp_path / "ct").iterdir())


def read_back(folder: Path, files: list[Path], rtstruct: Path) -> np.ndarray:
    """What ingest makes of the CT with this structure set beside it."""
    patient = patient_files(folder)
    assert {*files, rtstruct} <= set(patient.files)
    return read_dicom(patient, dicom_settings("GTV")).label


@settings(max_examples=25, deadline=None)
@given(
    mask=arrays(np.uint8, (4, 7, 9), elements=st.integers(0, 1)),
    orientation=st.sampled_from(((1.0, 0.0, 0.0, 0.0, 1.0, 0.0), FEET_FIRST, TILTED)),
)
def test_ingest_reads_the_mask_back(tmp_path_factory, mask, orientation):
    mask[1, 3, 4] = 1  # ingest refuses a structure set that draws nothing
    folder = tmp_path_factory.mktemp("patient")
    series = CtSeries(slices=4, rows=7, columns=9, orientation=orientation)
    write_ct(folder / "ct", series)
    files = sorted((folder / "ct").iterdir())
    write_structure_set(mask, files, folder / "gtv.dcm", "GTV", "test")
    assert np.array_equal(read_back(folder, files, folder / "gtv.dcm"), mask)


def test_set_says_what_it_is_and_belongs_to_the_ct(ct, tmp_path):
    series, files = ct
    mask = np.zeros((6, 12, 16), np.uint8)
    mask[2:4, 3:8, 5:11] = 1
    write_structure_set(mask, files, tmp_path / "gtv.dcm", "GTV", "LungGTV draft, model 12ab")
    found = pydicom.dcmread(tmp_path / "gtv.dcm")
    assert found.SOPClassUID == pydicom.uid.RTStructureSetStorage
    assert (found.PatientName, found.PatientID, found.StudyID) == (NAME_MARK,) * 3
    assert found.FrameOfReferenceUID == series.frame_uid
    assert found.ApprovalStatus == "UNAPPROVED"
    assert "ReviewDate" not in found
    (roi,) = found.StructureSetROISequence
    assert (roi.ROIName, roi.ROIGenerationAlgorithm) == ("GTV", "AUTOMATIC")
    assert roi.ReferencedFrameOfReferenceUID == series.frame_uid
    assert roi.ROIDescription == "LungGTV draft, model 12ab"
    (observation,) = found.RTROIObservationsSequence
    assert observation.RTROIInterpretedType == "GTV"
    assert observation.ReferencedROINumber == found.ROIContourSequence[0].ReferencedROINumber == roi.ROINumber
    (frame,) = found.ReferencedFrameOfReferenceSequence
    (study,) = frame.RTReferencedStudySequence
    (referred,) = study.RTReferencedSeriesSequence
    assert referred.SeriesInstanceUID == series.uid
    assert [i.ReferencedSOPInstanceUID for i in referred.ContourImageSequence] == [
        series.sop_uid(z) for z in range(6)
    ]
    contours = found.ROIContourSequence[0].ContourSequence
    assert [c.ContourImageSequence[0].ReferencedSOPInstanceUID for c in contours] == [
        series.sop_uid(2), series.sop_uid(3)
    ]  # fmt: skip
    for z, contour in zip((2, 3), contours, strict=True):
        points = np.asarray(contour.ContourData, float).reshape(-1, 3)
        assert contour.NumberOfContourPoints == len(points)
        assert contour.ContourGeometricType == "CLOSED_PLANAR"
        assert np.allclose(series.grid.index_zyx(points)[:, 0], z, atol=1e-4)
        (outline,) = outlines(mask[z])
        expected = series.grid.point_mm([(z, row, column) for row, column in outline])
        assert np.abs(points - expected).max() < 1e-4, "mm"


# Type 1 attributes of the RT Structure Set IOD (DICOM PS3.3 A.19.3), for modules and items that are written.
TYPE_1 = {
    "": ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "Modality", "SeriesInstanceUID",
         "FrameOfReferenceUID", "StructureSetLabel", "StructureSetROISequence", "ROIContourSequence",
         "RTROIObservationsSequence", "ApprovalStatus", "Manufacturer"],
    "StructureSetROISequence": ["ROINumber", "ReferencedFrameOfReferenceUID"],
    "ROIContourSequence": ["ReferencedROINumber"],
    "ContourSequence": ["ContourGeometricType", "NumberOfContourPoints", "ContourData"],
    "ContourImageSequence": ["ReferencedSOPClassUID", "ReferencedSOPInstanceUID"],
    "RTROIObservationsSequence": ["ObservationNumber", "ReferencedROINumber"],
    "ReferencedFrameOfReferenceSequence": ["FrameOfReferenceUID"],
    "RTReferencedStudySequence": ["ReferencedSOPClassUID", "ReferencedSOPInstanceUID",
                                  "RTReferencedSeriesSequence"],
    "RTReferencedSeriesSequence": ["SeriesInstanceUID", "ContourImageSequence"],
}  # fmt: skip
TYPE_2 = ["StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID", "PatientName",
          "PatientID", "PatientBirthDate", "PatientSex", "SeriesNumber", "OperatorsName",
          "PositionReferenceIndicator", "StructureSetDate", "StructureSetTime"]  # fmt: skip


@pytest.mark.parametrize("filled_slices", [2, 0])
def test_no_required_attribute_is_missing_even_when_the_ct_has_little(tmp_path, filled_slices):
    kept = {
        "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns",
    }  # fmt: skip

    def strip(dataset, z):
        for element in list(dataset):
            if element.keyword not in kept:
                del dataset[element.tag]

    series = CtSeries(slices=3)
    write_ct(tmp_path / "ct", series, change=strip)
    mask = np.zeros(series.grid.shape, np.uint8)
    mask[:filled_slices, 2:5, 2:5] = 1
    write_structure_set(mask, sorted((tmp_path / "ct").iterdir()), tmp_path / "gtv.dcm", "GTV", "test")
    found = pydicom.dcmread(tmp_path / "gtv.dcm")
    assert all(keyword in found for keyword in TYPE_2)
    checked = []

    def check(dataset, name):
        checked.append(name)
        for keyword in TYPE_1[name]:
            assert dataset.get(keyword) not in (None, "", []), f"{name}.{keyword}"
        for element in dataset:
            if element.VR == "SQ":
                for item in element.value:
                    check(item, element.keyword)

    check(found, "")
    assert ("ContourSequence" in checked) == bool(filled_slices)


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy is not here (Debian's dicom3tools)")
@pytest.mark.parametrize("filled_slices", [2, 0])
def test_a_validator_of_others_finds_no_error(ct, tmp_path, filled_slices):
    series, files = ct
    mask = np.zeros(series.grid.shape, np.uint8)
    mask[:filled_slices, 2:9, 2:9] = 1
    mask[:, 4, 4] = 0
    write_structure_set(mask, files, tmp_path / "gtv.dcm", "GTV", "test")
    checked = subprocess.run(["dciodvfy", tmp_path / "gtv.dcm"], capture_output=True, text=True, check=False)
    assert "RTStructureSet" in checked.stderr
    errors = [line for line in checked.stderr.splitlines() if line.startswith("Error")]
    assert errors == []


def test_uids_follow_the_content(ct, tmp_path):
    _, files = ct
    mask = np.zeros((6, 12, 16), np.uint8)
    mask[2, 3:8, 5:11] = 1
    write_structure_set(mask, files, tmp_path / "a.dcm", "GTV", "test")
    write_structure_set(mask, files, tmp_path / "b.dcm", "GTV", "test")
    mask[2, 8, 8] = 1
    write_structure_set(mask, files, tmp_path / "c.dcm", "GTV", "test")
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()
    a, c = pydicom.dcmread(tmp_path / "a.dcm"), pydicom.dcmread(tmp_path / "c.dcm")
    uids = {a.SOPInstanceUID, a.SeriesInstanceUID, c.SOPInstanceUID, c.SeriesInstanceUID}
    assert len(uids) == 4
    assert all(uid.startswith("2.25.") and uid.is_valid for uid in uids)


@pytest.mark.filterwarnings("ignore:The value length")
@pytest.mark.parametrize(
    ("character_set", "name"),
    [("ISO_IR 192", "Müller^Jürgen"), ("ISO_IR 192", "山田^太郎"), ("ISO_IR 144", "Люкceмбypг")],
)
def test_names_in_another_character_set_and_overlong_values_are_copied(tmp_path, character_set, name):
    def rename(dataset, z):
        dataset.SpecificCharacterSet = character_set
        dataset.PatientName = name
        with pydicom.config.disable_value_validation():
            dataset.StudyID = "longer than sixteen characters"

    series = CtSeries(slices=3)
    write_ct(tmp_path / "ct", series, change=rename)
    mask = np.ones(series.grid.shape, np.uint8)
    write_structure_set(mask, sorted((tmp_path / "ct").iterdir()), tmp_path / "gtv.dcm", "GTV", "test")
    found = pydicom.dcmread(tmp_path / "gtv.dcm")
    assert (found.SpecificCharacterSet, str(found.PatientName)) == (character_set, name)
    assert found.StudyID == "longer than sixteen characters"


@pytest.mark.parametrize("empty", [False, True])
def test_a_ct_without_frame_of_reference_gets_one_of_its_own(tmp_path, empty):
    def drop(dataset, z):
        dataset.FrameOfReferenceUID = ""
        if not empty:
            del dataset.FrameOfReferenceUID

    series = CtSeries(slices=3)
    write_ct(tmp_path / "ct", series, change=drop)
    files = sorted((tmp_path / "ct").iterdir())
    frames = [frame_of_draft(series, files, tmp_path / name) for name in ("gtv.dcm", "again.dcm")]
    assert frames[0] == frames[1] and frames[0].startswith("2.25.")
    other = replace(series, number=2)
    write_ct(tmp_path / "other", other, change=drop)
    assert frame_of_draft(other, sorted((tmp_path / "other").iterdir()), tmp_path / "other.dcm") != frames[0]


def test_a_ct_with_a_frame_for_every_slice_gets_one_of_its_own(tmp_path):
    def number(dataset, z):
        dataset.FrameOfReferenceUID = f"{UID_MARK}.5.{z}"

    series = CtSeries(slices=3)
    write_ct(tmp_path / "ct", series, change=number)
    assert frame_of_draft(series, sorted((tmp_path / "ct").iterdir()), tmp_path / "gtv.dcm").startswith(
        "2.25."
    )


def frame_of_draft(series, files, path) -> str:
    """The one frame of reference that a draft on all voxels names, in every place."""
    write_structure_set(np.ones(series.grid.shape), files, path, "GTV", "test")
    found = pydicom.dcmread(path)
    frames = {
        found.FrameOfReferenceUID,
        found.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID,
        found.StructureSetROISequence[0].ReferencedFrameOfReferenceUID,
    }
    (frame,) = frames
    return frame


@pytest.mark.parametrize("empty", [False, True])
def test_slice_without_position_is_refused_without_naming_anybody(tmp_path, empty):
    def drop(dataset, z):
        dataset.ImagePositionPatient = None
        if not empty:
            del dataset.ImagePositionPatient

    series = CtSeries(slices=3)
    write_ct(tmp_path / "ct", series, change=drop)
    files = sorted((tmp_path / "ct").iterdir())
    with pytest.raises(DamagedFile, match="ImagePositionPatient") as caught:
        write_structure_set(np.ones(series.grid.shape), files, tmp_path / "gtv.dcm", "GTV", "test")
    assert NAME_MARK not in str(caught.value)
    assert not (tmp_path / "gtv.dcm").exists()


def test_slices_are_found_by_content_not_by_name(ct, tmp_path):
    _, files = ct
    digests = [file_digest(file) for file in files]
    (tmp_path / "ct" / "notes.txt").write_text("not a slice")
    shuffled = [files[3], tmp_path / "ct" / "notes.txt", files[0], files[5], files[1], files[4], files[2]]
    assert find_slices(shuffled, digests) == files
    files[4].write_bytes(files[4].read_bytes() + b"\0")
    with pytest.raises(DamagedFile, match="1 of 6 CT slices"):
        find_slices(shuffled, digests)
    with pytest.raises(DamagedFile, match="did not come as DICOM"):
        find_slices(shuffled, [])


@pytest.mark.parametrize(
    "name", ["GTV", "GTVp", "GTVn1", "GTVp1_CT1", "GTV_Draft", "GTV^AI", "GTV_Draft_123456"]
)
def test_structure_names_of_tg263_are_taken(name):
    assert checked_roi_name({"roi_name": name}) == name


@pytest.mark.parametrize("name", ["", "gtv", "GTV 1", "CTV", "GTVx", "GTV_Draft_1234567", "GTV-3", "Tumor"])
def test_other_structure_names_are_refused(name):
    with pytest.raises(ConfigError, match="TG-263"):
        checked_roi_name({"roi_name": name})


def test_version_is_that_of_the_project():
    project = Path(__file__).parents[2] / "pyproject.toml"
    assert f'version = "{VERSION}"' in project.read_text()
