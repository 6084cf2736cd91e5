"""A structure set says what it is, to the last attribute, and refuses slices that are not the mask's."""

import numpy as np
import pydicom
import pytest
from lunggtv.errors import DamagedFile
from lunggtv.infer.rtstruct_file import write_structure_set
from lunggtv.version import VERSION

from tests.unit.dicom_files import CT_CLASS, UID_MARK, CtSeries, write_ct

OWN = {
    "SpecificCharacterSet": "ISO_IR 100", "StudyDate": "20200101", "StudyTime": "080101", "AccessionNumber": "A1",
    "ReferringPhysicianName": "R^Ph", "StudyDescription": "thorax", "PatientName": "N^Na", "PatientID": "P1",
    "PatientBirthDate": "19500102", "PatientSex": "F", "PatientIdentityRemoved": "YES",
    "DeidentificationMethod": "by hand", "StudyID": "S1",
}  # fmt: skip
DATED = {
    "ContentDate": "20200104", "AcquisitionDate": "20200103", "SeriesDate": "20200102", "StudyDate": "20200101",
    "ContentTime": "080104", "AcquisitionTime": "080103", "SeriesTime": "080102", "StudyTime": "080101",
}  # fmt: skip


def written_set(tmp_path, changes: dict[str, str], mask: np.ndarray) -> pydicom.Dataset:
    """The structure set of a mask on three slices whose headers hold ``changes``."""

    def change(dataset, z):
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)

    write_ct(tmp_path / "ct", CtSeries(slices=3), change=change)
    files = sorted((tmp_path / "ct").iterdir())
    write_structure_set(mask, files, tmp_path / "gtv.dcm", "GTVp1", "drawn by 12ab")
    return pydicom.dcmread(tmp_path / "gtv.dcm")


def texts(dataset: pydicom.Dataset) -> dict[str, str]:
    return {element.keyword: str(element.value) for element in dataset if element.VR != "SQ"}


def test_everything_a_set_says_is_the_cts_or_ours(tmp_path):
    mask = np.zeros((3, 12, 16), np.uint8)
    mask[0, 2, 2] = mask[2, 2, 2] = mask[2, 6:9, 6:9] = 1
    found = written_set(tmp_path, DATED | OWN, mask)
    frame = CtSeries().frame_uid
    assert texts(found) == OWN | {
        "SOPClassUID": pydicom.uid.RTStructureSetStorage, "SOPInstanceUID": found.SOPInstanceUID,
        "Modality": "RTSTRUCT", "Manufacturer": "LungGTV", "ManufacturerModelName": "LungGTV",
        "SeriesDescription": "LungGTV draft, not approved", "OperatorsName": "", "SoftwareVersions": VERSION,
        "StudyInstanceUID": f"{UID_MARK}.9", "SeriesInstanceUID": found.SeriesInstanceUID, "SeriesNumber": "1",
        "FrameOfReferenceUID": frame, "PositionReferenceIndicator": "", "StructureSetLabel": "LungGTV draft",
        "StructureSetDescription": "drawn by 12ab", "StructureSetDate": "20200104", "StructureSetTime": "080104",
        "ApprovalStatus": "UNAPPROVED",
    }  # fmt: skip
    (roi,), (drawn,), (observation,) = (
        found.StructureSetROISequence, found.ROIContourSequence, found.RTROIObservationsSequence
    )  # fmt: skip
    assert texts(roi) == {
        "ROINumber": "1", "ReferencedFrameOfReferenceUID": frame, "ROIName": "GTVp1",
        "ROIDescription": "drawn by 12ab", "ROIGenerationAlgorithm": "AUTOMATIC",
        "ROIGenerationDescription": f"LungGTV {VERSION}",
    }  # fmt: skip
    assert texts(drawn) == {"ROIDisplayColor": "[255, 128, 0]", "ReferencedROINumber": "1"}
    assert texts(observation) == {
        "ObservationNumber": "1", "ReferencedROINumber": "1", "RTROIInterpretedType": "GTV", "ROIInterpreter": "",
    }  # fmt: skip
    assert [str(contour.ContourNumber) for contour in drawn.ContourSequence] == ["1", "2", "3"]
    (study,) = found.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    assert texts(study) == {
        "ReferencedSOPClassUID": "1.2.840.10008.3.1.2.3.1", "ReferencedSOPInstanceUID": f"{UID_MARK}.9"
    }  # fmt: skip
    assert {str(image.ReferencedSOPClassUID) for contour in drawn.ContourSequence
            for image in contour.ContourImageSequence} == {CT_CLASS}  # fmt: skip


@pytest.mark.parametrize("first", range(4))
def test_a_set_has_the_date_and_time_that_tell_most_of_the_ct(tmp_path, first):
    """Of the content, else of the acquisition, the series, the study."""
    dates, times = list(DATED)[:4], list(DATED)[4:]
    missing = dict.fromkeys((*dates[:first], *times[:first]), "")
    found = written_set(tmp_path, DATED | missing, np.ones((3, 12, 16), np.uint8))
    assert (found.StructureSetDate, found.StructureSetTime) == (DATED[dates[first]], DATED[times[first]])


def test_slices_that_do_not_fit_the_mask_are_refused(tmp_path):
    write_ct(tmp_path / "ct", CtSeries(slices=6))
    files = sorted((tmp_path / "ct").iterdir())
    with pytest.raises(ValueError, match="6 slices cannot carry a mask of 5"):
        write_structure_set(np.ones((5, 12, 16)), files, tmp_path / "gtv.dcm", "GTV", "test")
    for shape in ((6, 16, 12), (6, 12, 15), (6, 11, 16)):
        with pytest.raises(DamagedFile, match=r"12 x 16 pixels, the mask"):
            write_structure_set(np.ones(shape), files, tmp_path / "gtv.dcm", "GTV", "test")
