"""A folder with CTs of two people: never one of them in silence, and nobody's id in a message."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from lunggtv.ingest.dicom.dicom_settings import PreferredSeries
from lunggtv.ingest.dicom.headers import take_inventory
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.ingest.dicom.series import group_series
from lunggtv.ingest.raw_scan import NOTED, WARNED, Refused

from tests.unit.dicom_files import CtSeries, Reference, box, patient_files, settings, write_ct, write_rtstruct

CT = CtSeries()
OTHER = replace(CT, number=2, frame=2)


def write_series(folder: Path, series: CtSeries, person: str, **changed) -> np.ndarray:
    def change(dataset, z):
        dataset.PatientID = person
        for keyword, value in changed.items():
            setattr(dataset, keyword, value)

    return write_ct(folder, series, series.stored(seed=series.number), change=change)


def draw(folder: Path, series: CtSeries) -> None:
    gtv = [box(series, z, (2.5, 5.5), (3.5, 7.5)) for z in (1, 2, 3)]
    write_rtstruct(folder / "rs.dcm", {"GTV": gtv}, Reference(series))


def two_people(folder: Path) -> None:
    write_series(folder / "a/ct", CT, "QQ-47")
    draw(folder / "a", CT)
    write_series(folder / "b/ct", OTHER, "QQ-48")


def contours_of(dataset) -> list:
    return [contour for roi in dataset.ROIContourSequence for contour in roi.ContourSequence]


def name_image(contour, uid: str) -> None:
    contour.ContourImageSequence[0].ReferencedSOPInstanceUID = uid


def key_of(folder: Path, below: str) -> str:
    files = sorted(path for path in (folder / below).rglob("*") if path.is_file())
    ((series,), _) = group_series(take_inventory(files, folder).slices)
    return series.key


def refusal(folder: Path, label: bool = True, **changed) -> Refused:
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(folder, label), replace(settings(), **changed))
    return caught.value


@pytest.mark.parametrize(
    ("label", "change"),
    [
        (False, lambda dataset: None),
        # Contours that name no image, or those of both.
        (True, lambda dataset: [contour.pop("ContourImageSequence") for contour in contours_of(dataset)]),
        (True, lambda dataset: name_image(contours_of(dataset)[2], OTHER.sop_uid(3))),
    ],
)
def test_cts_of_two_people_in_one_folder_are_refused(tmp_path: Path, label: bool, change) -> None:
    two_people(tmp_path)
    plan = pydicom.dcmread(tmp_path / "a/rs.dcm")
    change(plan)
    plan.save_as(tmp_path / "a/rs.dcm")
    refused = refusal(tmp_path, label)
    assert refused.reason.code == "several_patients"
    assert "seem to be of several people: they have patient ids of 2 in their headers" in str(refused)
    assert "from a/ct/ct000.dcm on" in str(refused) and "from b/ct/ct000.dcm on" in str(refused)
    assert "Give each person a folder of its own." in str(refused) and "QQ" not in str(refused)


def test_a_gtv_that_names_images_says_who_is_meant(tmp_path: Path) -> None:
    two_people(tmp_path)
    scan = read_dicom(patient_files(tmp_path), settings())
    np.testing.assert_array_equal(scan.ct, CT.stored(seed=1).astype(int) - 1024)
    assert scan.label is not None and scan.label.sum() == 3 * 12
    (note,) = (note for note in scan.notes if note.code == "others_beside_gtv")
    key = key_of(tmp_path, "a/ct")
    assert note.severity == WARNED and "QQ" not in note.text
    assert (
        f"have patient ids of 2 people in their headers. Series {key} was taken, whose images the GTV"
        in note.text
    )


def test_where_both_people_have_a_gtv_nobody_is_taken(tmp_path: Path) -> None:
    two_people(tmp_path)
    draw(tmp_path / "b", OTHER)
    assert refusal(tmp_path).reason.code == "several_patients"


def test_a_rule_for_all_patients_does_not_say_who_is_meant(tmp_path: Path) -> None:
    two_people(tmp_path)
    rules = (PreferredSeries(description="ZZ"),)
    assert refusal(tmp_path, label=False, prefer_series=rules).reason.code == "several_patients"


def test_ids_that_one_series_has_are_of_one_person(tmp_path: Path) -> None:
    """As where an archive has merged two records: nobody could be given a folder of their own."""
    write_series(tmp_path / "a", CT, "QQ-47")
    above = replace(CT, number=2, origin_mm=(-50.0, -40.0, -15.0))
    write_series(tmp_path / "b", above, "QQ-48", SeriesInstanceUID=CT.uid)
    write_series(tmp_path / "c", replace(CT, number=3, slices=4, frame=2), "QQ-48")
    mixed, other = key_of(tmp_path, "a"), key_of(tmp_path, "c")
    scan = read_dicom(patient_files(tmp_path, False), settings(series=other))
    assert scan.ct.shape[0] == 4 and not [note for note in scan.notes if "ids" in note.code]
    scan = read_dicom(patient_files(tmp_path, False), settings(series=mixed))
    (note,) = (note for note in scan.notes if note.code == "several_ids_in_series")
    assert note.severity == WARNED and "QQ" not in note.text
    assert f"the images of series {mixed} have 2 patient ids in their headers. Look whether" in note.text
    write_series(tmp_path / "d", replace(CT, number=4, frame=3), "QQ-49")
    assert "ids of 2 in their headers" in str(refusal(tmp_path, False))


def test_a_pin_says_who_is_meant_and_the_other_is_noted(tmp_path: Path) -> None:
    two_people(tmp_path)
    key = key_of(tmp_path, "a/ct")
    scan = read_dicom(patient_files(tmp_path), settings(series=key))
    np.testing.assert_array_equal(scan.ct, CT.stored(seed=1).astype(int) - 1024)
    assert scan.label is not None and scan.label.sum() == 3 * 12
    (note,) = (note for note in scan.notes if note.code == "other_patient_left_out")
    assert note.severity == NOTED and f"{key} was taken, which data.series pins" in note.text
    assert "QQ" not in note.text


def test_a_gtv_of_the_other_person_is_not_put_on_a_pinned_ct(tmp_path: Path) -> None:
    two_people(tmp_path)
    mine, pinned = key_of(tmp_path, "a/ct"), key_of(tmp_path, "b/ct")
    refused = refusal(tmp_path, series=pinned)
    assert refused.reason.code == "drawn_elsewhere"
    assert f"rs.dcm was drawn on {mine}, which has another patient id in its header than {pinned}" in str(
        refused
    )


@pytest.mark.parametrize("person", ["", "qq-47 ", " QQ-47", "QQ47", "qq 47", "QQ_0047", "qq/47."])
def test_ids_that_say_nothing_or_the_same_are_of_one_person(tmp_path: Path, person: str) -> None:
    write_series(tmp_path / "a", CT, "QQ-47")
    draw(tmp_path, CT)
    write_series(tmp_path / "b", OTHER, person)
    scan = read_dicom(patient_files(tmp_path), settings())
    assert scan.label is not None and scan.label.sum() == 3 * 12
    assert "other_patient_left_out" not in {note.code for note in scan.notes}


@pytest.mark.parametrize("person", ["", "ANON"])
def test_a_ct_of_another_frame_is_noted_where_ids_say_nothing(tmp_path: Path, person: str) -> None:
    write_series(tmp_path / "P2/ct", CT, person)
    draw(tmp_path / "P2", CT)
    write_series(tmp_path / "P3/ct", OTHER, person)
    write_series(tmp_path / "P2/late", replace(CT, number=3), person)
    scan = read_dicom(patient_files(tmp_path), settings())
    (note,) = (note for note in scan.notes if note.code == "other_ct_left_out")
    assert note.severity == NOTED and "were left out (1): from P3/ct/ct000.dcm on. If one is of" in note.text
    scan = read_dicom(patient_files(tmp_path), settings(series=key_of(tmp_path, "P2/ct")))
    assert "other_ct_left_out" not in {note.code for note in scan.notes}


def test_frames_of_reference_say_nothing_where_each_slice_has_its_own(tmp_path: Path) -> None:
    write_series(tmp_path / "a", CT, "QQ-47")
    draw(tmp_path, CT)

    def own_frame(dataset, z):
        dataset.PatientID = "QQ-47"
        dataset.FrameOfReferenceUID += f".{z}"

    write_ct(tmp_path / "b", OTHER, change=own_frame)
    codes = {note.code for note in read_dicom(patient_files(tmp_path), settings()).notes}
    assert "other_ct_left_out" not in codes


def test_a_pair_of_images_of_somebody_else_rejects_nobody(tmp_path: Path) -> None:
    write_series(tmp_path / "a", CT, "QQ-47")
    draw(tmp_path, CT)
    write_series(tmp_path / "b", replace(OTHER, slices=2), "QQ-48")
    scan = read_dicom(patient_files(tmp_path), settings())
    assert scan.label is not None and scan.label.sum() == 3 * 12
