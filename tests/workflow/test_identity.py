"""Who a DICOM patient is stays in the raw folder, and in the RTSTRUCT that must match it."""

import pydicom

from tests.conftest import DICOM, MARK, MARKED_DATE


def test_no_output_log_or_record_names_the_patient(finished):
    raw = finished.work / "raw" / "labelled" / DICOM
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(raw.rglob("*.dcm"))]
    assert MARK in str(headers[0].PatientName), "the marks were planted"
    marks = {MARK, MARK.upper(), MARK.lower(), MARKED_DATE, "1847-06-13", "13.06.1847"}
    marks |= {str(header.get(key)) for header in headers for key in ("SOPInstanceUID", "SeriesInstanceUID")}
    marks |= {str(headers[0].StudyInstanceUID), str(headers[0].FrameOfReferenceUID)}
    needles = [mark.encode() for mark in marks]

    searched = 0
    for path in sorted(finished.work.rglob("*")):
        if path.is_file() and "raw" not in path.relative_to(finished.work).parts and path.name != "gtv.dcm":
            content = path.read_bytes()
            assert not [n for n in needles if n in content], path
            searched += 1
    assert searched > 100


def test_names_of_rois_are_shown_without_the_person(finished):
    verdict = (finished.work / "results/ingest" / DICOM / "verdict.json").read_text(encoding="utf-8")
    assert "'old gtv of … …'" in verdict


def test_the_rtstruct_belongs_to_the_patient(finished):
    raw = finished.work / "raw" / "labelled" / DICOM / "ct"
    slices = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(raw.glob("*.dcm"))]
    written = pydicom.dcmread(finished.work / "results/infer" / DICOM / "gtv.dcm")
    assert written.PatientID == MARK
    assert written.StudyInstanceUID == slices[0].StudyInstanceUID
    assert written.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID == slices[0].FrameOfReferenceUID
    assert written.StructureSetROISequence[0].ROIName == "GTV"
    assert written.ApprovalStatus == "UNAPPROVED"
