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
from tests.unit.segmentation_files import write_segmentation

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
    files = sorted(path for path in (folder / below).rglob("ct*.dcm"))
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


def test_a_segmentation_that_names_images_says_who_is_meant(tmp_path: Path) -> None:
    write_series(tmp_path / "a/ct", CT, "QQ-47")
    write_series(tmp_path / "b/ct", OTHER, "QQ-48")
    gtv = np.zeros(OTHER.grid.shape, np.uint8)
    gtv[1:4, 3:6, 4:8] = 1
    write_segmentation(tmp_path / "b/seg.dcm", OTHER, {"GTV": gtv})
    scan = read_dicom(patient_files(tmp_path), settings())
    np.testing.assert_array_equal(scan.ct, OTHER.stored(seed=2).astype(int) - 1024)
    np.testing.assert_array_equal(scan.label, gtv)
    (note,) = (note for note in scan.notes if note.code == "others_beside_gtv")
    assert note.severity == WARNED and "QQ" not in note.text
    assert f"Series {key_of(tmp_path, 'b/ct')} was taken, whose images the GTV names" in note.text
    write_segmentation(tmp_path / "a/seg.dcm", CT, {"GTV": gtv})
    assert refusal(tmp_path).reason.code == "several_patients"


@pytest.mark.parametrize("lists", [(CT,), (CT, OTHER)])
def test_a_segmentation_whose_frames_name_no_image_of_one_alone_says_nothing(tmp_path: Path, lists) -> None:
    two_people(tmp_path)
    (tmp_path / "a/rs.dcm").unlink()
    gtv = np.ones(CT.grid.shape, np.uint8)
    write_segmentation(tmp_path / "seg.dcm", CT, {"GTV": gtv})
    dataset = pydicom.dcmread(tmp_path / "seg.dcm")
    for z, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        images = frame.DerivationImageSequence[0].SourceImageSequence
        images[0].ReferencedSOPInstanceUID = lists[z % len(lists)].sop_uid(z)
        if len(lists) == 1:
            del frame.DerivationImageSequence
    dataset.save_as(tmp_path / "seg.dcm")
    assert refusal(tmp_path).reason.code == "several_patients"


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


def frame_a_slice(dataset, z):
    dataset.FrameOfReferenceUID += f".{z}"


def no_frame(dataset, z):
    del dataset.FrameOfReferenceUID


def as_it_is(dataset, z):
    pass


@pytest.mark.parametrize(
    ("mine", "other"),
    [(frame_a_slice, frame_a_slice), (no_frame, no_frame), (as_it_is, no_frame), (no_frame, as_it_is)],
)
def test_a_ct_that_no_frame_ties_to_the_one_taken_is_noted(tmp_path: Path, mine, other) -> None:
    for folder, series, change in (("P2/ct", CT, mine), ("P3/ct", OTHER, other)):

        def anonymous(dataset, z, change=change):
            dataset.PatientID = dataset.PatientName = ""
            change(dataset, z)

        write_ct(tmp_path / folder, series, series.stored(seed=series.number), change=anonymous)
    draw(tmp_path / "P2", CT)
    notes = {note.code: note for note in read_dicom(patient_files(tmp_path), settings()).notes}
    assert notes["other_ct_left_out"].severity == NOTED
    assert notes["other_ct_left_out"].text == (
        "CT series that share no frame of reference with the one taken were left out (1): from P3/ct/ct000.dcm on. "
        "If one is of another person, give each a folder of their own."
    )
    assert "other_name_left_out" not in notes


def test_a_part_of_the_series_taken_is_no_other_ct(tmp_path: Path) -> None:
    """Scans before and after contrast under one series id, without a frame of reference."""
    for number in (1, 2):

        def parted(dataset, z, number=number):
            no_frame(dataset, z)
            dataset.SeriesInstanceUID, dataset.AcquisitionNumber = CT.uid, number

        write_ct(tmp_path / f"{number}", replace(CT, number=number), change=parted)
    draw(tmp_path, CT)
    codes = {note.code for note in read_dicom(patient_files(tmp_path), settings()).notes}
    assert "other_ct_left_out" not in codes


@pytest.mark.parametrize(
    ("mine", "other", "told"),
    [
        ("ZZHUBER^EVA", "ZZMEIER^HANS", True),
        ("ZZHUBER^EVA", "ZZHUBER^HANS", True),
        ("ZZM\u00dcLLER^EVA^^DR", "ZZMUELLER^Eva", False),
        ("ZZHUBER^EVA", "ZZHUBER", False),
        ("ZZYAMADA^TARO=\u5c71\u7530^\u592a\u90ce", "ZZYamada^Taro", False),
        ("ZZHUBER^EVA", "", False),
        ("", "ZZHUBER^EVA", False),
    ],
)
def test_another_name_is_noted_where_ids_say_nothing(
    tmp_path: Path, mine: str, other: str, told: bool
) -> None:
    """In one frame of reference, as where an anonymiser gave everybody the same ids."""
    for folder, series, name in (("P2/ct", CT, mine), ("P3/ct", replace(CT, number=2), other)):
        write_series(tmp_path / folder, series, "", SpecificCharacterSet="ISO_IR 192", PatientName=name)
    draw(tmp_path / "P2", CT)
    notes = {note.code: note for note in read_dicom(patient_files(tmp_path), settings()).notes}
    assert ("other_name_left_out" in notes) is told and "other_ct_left_out" not in notes
    if told:
        assert notes["other_name_left_out"].severity == NOTED
        assert notes["other_name_left_out"].text == (
            "CT series with another patient name in their headers than the one taken were left out (1): from "
            "P3/ct/ct000.dcm on. If one is of another person, give each a folder of their own."
        )
    assert not [note for note in notes.values() if "ZZ" in note.text.upper()]
    pinned = read_dicom(patient_files(tmp_path), settings(series=key_of(tmp_path, "P2/ct"))).notes
    assert "other_name_left_out" not in {note.code for note in pinned}


def test_several_cts_left_out_are_named_in_natural_order(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", CT, "QQ-47")
    draw(tmp_path, CT)
    for number in (2, 3, 10):
        write_series(tmp_path / f"cb{number}", replace(CT, number=number, frame=number), "QQ-47")
    (note,) = (
        note
        for note in read_dicom(patient_files(tmp_path), settings()).notes
        if note.code == "other_ct_left_out"
    )
    assert "left out (3): from cb2/ct000.dcm, cb3/ct000.dcm, cb10/ct000.dcm on." in note.text


def test_another_person_whom_ids_tell_apart_is_told_of_once(tmp_path: Path) -> None:
    two_people(tmp_path)
    write_series(tmp_path / "c/ct", replace(CT, number=3, frame=3), "")
    notes = {note.code: note.text for note in read_dicom(patient_files(tmp_path), settings()).notes}
    assert "others_beside_gtv" in notes
    assert "left out (1): from c/ct/ct000.dcm on." in notes["other_ct_left_out"]


@pytest.mark.parametrize(
    ("mine", "other", "are_one"),
    [
        ("1-23", "12-3", False),
        ("LUNG1-01", "LUNG10-1", False),
        ("1-23", "1.2.3", True),
        ("AB-C1", "A-BC1", False),
        ("LUNG1-001", "lung_1/1", True),
        ("1-23", "123", True),
        ("0012345", "123-45", True),
        ("1-023", "01-23", True),
        ("QQ47", "QQ-047", True),
    ],
)
def test_ids_are_compared_part_by_part(tmp_path: Path, mine: str, other: str, are_one: bool) -> None:
    """The centre and the patient: 23 of centre 1 is not 3 of centre 12."""
    write_series(tmp_path / "a", CT, mine)
    write_series(tmp_path / "b", replace(CT, number=2), other)
    assert refusal(tmp_path, False).reason.code == ("several_series" if are_one else "several_patients")


def test_one_id_written_in_two_ways_is_not_several(tmp_path: Path) -> None:
    def two_ways(dataset, z):
        dataset.PatientID = ("1-23", "123")[z % 2]

    write_ct(tmp_path, CT, change=two_ways)
    codes = {note.code for note in read_dicom(patient_files(tmp_path, False), settings()).notes}
    assert "several_ids_in_series" not in codes


def test_sets_on_cts_that_may_be_of_two_people_are_not_to_be_deleted(tmp_path: Path) -> None:
    for folder, series in (("P2", CT), ("P3", OTHER)):
        write_series(tmp_path / folder / "ct", series, "")
        draw(tmp_path / folder, series)
    mine, other = key_of(tmp_path, "P2"), key_of(tmp_path, "P3")
    refused = refusal(tmp_path)
    assert refused.reason.code == "several_rtstructs"
    assert str(refused) == (
        f"2 RTSTRUCTs have a GTV: P2/rs.dcm has 'GTV', drawn on {mine} (from P2/ct/ct000.dcm on); P3/rs.dcm has 'GTV', "
        f"drawn on {other} (from P3/ct/ct000.dcm on). They were drawn on different CTs. If these are of several "
        "people, give each a folder of their own; if they are of one, pin the right series under data.series."
    )
    scan = read_dicom(patient_files(tmp_path), settings(series=mine))
    assert scan.label is not None and scan.label.sum() == 3 * 12


def test_a_pair_of_images_of_somebody_else_rejects_nobody(tmp_path: Path) -> None:
    write_series(tmp_path / "a", CT, "QQ-47")
    draw(tmp_path, CT)
    write_series(tmp_path / "b", replace(OTHER, slices=2), "QQ-48")
    scan = read_dicom(patient_files(tmp_path), settings())
    assert scan.label is not None and scan.label.sum() == 3 * 12
