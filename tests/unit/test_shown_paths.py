"""Paths of a hospital's export, which name the patient, in what ingest says."""

import os
from pathlib import Path

import pydicom
import pytest
from lunggtv.ingest.dicom.shown_paths import with_shown_paths
from lunggtv.ingest.raw_scan import Reason
from lunggtv.wording import readable

from tests.unit.dicom_files import CtSeries, Reference, box, patient_files, write_ct, write_rtstruct
from tests.unit.ingest_bodies import ingest

CT = CtSeries()
WHO = {
    "PatientName": "MEIER^HANS",
    "PatientID": "4711815",
    "PatientBirthDate": "19470305",
    "AccessionNumber": "",
}


def name_person(dataset, z=0, **who) -> None:
    for keyword, value in (WHO | who).items():
        setattr(dataset, keyword, value)


def export(folder: Path, **who) -> Path:
    """A CT and a structure set as systems export them."""
    person = folder / "MEIER_HANS_4711815_1947-03-05"
    write_ct(
        person / "CT",
        CT,
        change=lambda dataset, z: name_person(dataset, z, **who),
        name=lambda z: f"CT.{CT.sop_uid(z)}.dcm",
    )
    plan = person / "RS.Meier_Hans.dcm"
    write_rtstruct(plan, {"GTV": [box(CT, 2, (2.5, 5.5), (3.5, 7.5))]}, Reference(CT))
    dataset = pydicom.dcmread(plan)
    name_person(dataset, **who)
    dataset.save_as(plan)
    return person


def told(folder: Path, text: str) -> str:
    ((reason),) = with_shown_paths(patient_files(folder), [Reason("code", text)])
    return reason.text


def test_a_verdict_names_files_without_the_patient(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, out = tmp_path / "7", tmp_path / "out"
    person = export(folder)
    (person / "CT" / f"CT.{CT.sop_uid(99)}.dcm").write_bytes(b"")
    outcome = ingest(patient_files(folder), out)
    assert outcome.codes == ["unread_files"]
    assert outcome.words.startswith("…_…_…/CT/CT.…6.3.1.99.dcm: empty, or perhaps DICOM")
    for text in (outcome.words, caplog.text):
        assert not [one for one in ("MEIER", "HANS", "4711815", "1947", "99887766") if one in text.upper()]


def test_names_of_structure_sets_are_hidden_in_part(tmp_path: Path) -> None:
    export(tmp_path)
    name = "MEIER_HANS_4711815_1947-03-05/RS.Meier_Hans.dcm"
    assert told(tmp_path, f"{name}: damaged, {name}.") == "…_…_…/RS.….dcm: damaged, …_…_…/RS.….dcm."


@pytest.mark.parametrize(
    ("who", "name", "shown"),
    [
        # The numbers of slices stay, whatever short numbers or dates hold them by chance.
        ({"PatientID": "LUNG1-001"}, "1-001.dcm", "1-001.dcm"),
        ({"PatientBirthDate": "19000101"}, "IM000011", "IM000011"),
        ({"PatientBirthDate": "19470305"}, "19470305/1.dcm", "…/1.dcm"),
        ({"PatientBirthDate": "19470305"}, "05.03.1947/1.dcm", "…/1.dcm"),
        ({"PatientBirthDate": "19470305"}, "CT 5-3-1947/1.dcm", "CT …/1.dcm"),
        ({"PatientBirthDate": "19470305"}, "CT_03_05_1947/1.dcm", "CT_…/1.dcm"),
        ({"PatientBirthDate": "19470305"}, "15.03.1947/1.dcm", "15.03.1947/1.dcm"),
        ({"PatientBirthDate": "19470305"}, "05.03.19471/1.dcm", "05.03.19471/1.dcm"),
        ({"PatientBirthDate": "19470305"}, "05031947/1.dcm", "05031947/1.dcm"),
        ({"PatientID": "0001"}, "IM0001", "IM0001"),
        ({"PatientID": "0012345"}, "12345/IM1", "…/IM1"),
        ({"PatientName": "MUELLER^EVA"}, "Müller, Eva/IM1", "…/IM1"),
        ({}, "ct_2021.03.04.10.dcm", "ct_2021.03.04.10.dcm"),
        ({}, "1.2.826.0.1.3680043.8.498.123456789.dcm", "…23456789.dcm"),
        ({}, "1.2.826.0.1.3680043.8.498.1.12/a", "…498.1.12/a"),
        ({}, "doe/IM1", "doe/IM1"),
    ],
)  # fmt: skip
def test_what_is_hidden_in_a_path(tmp_path: Path, who: dict, name: str, shown: str) -> None:
    export(tmp_path, **who)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    assert told(tmp_path, f"{name}: empty.") == f"{shown}: empty."


def test_files_of_two_people_are_named_without_either(tmp_path: Path) -> None:
    export(tmp_path)
    write_ct(
        tmp_path / "Doe",
        CtSeries(number=2),
        change=lambda dataset, z: name_person(dataset, PatientName="DOE^JANE", PatientID="QQ-47"),
    )
    name = f"MEIER_HANS_4711815_1947-03-05/CT/CT.{CT.sop_uid(0)}.dcm"
    assert told(tmp_path, f"Doe/ct000.dcm and {name}") == "…/ct000.dcm and …_…_…/CT/CT.…66.3.1.0.dcm"


@pytest.mark.parametrize("named", [None, "RS.dcm", "RS2.dcm", "dose/RD.dcm"])
def test_a_person_whom_one_file_of_another_kind_names_is_hidden(tmp_path: Path, named: str | None) -> None:
    """As where a CT was made anonymous and the structure set was not."""
    person, nobody = (
        tmp_path / "MEIER",
        {"PatientName": "anon1", "PatientID": "anon1", "PatientBirthDate": ""},
    )
    series = CtSeries(slices=4)
    write_ct(person / "CT", series, change=lambda dataset, z: name_person(dataset, **nobody))
    write_ct(person / "dose", series, change=lambda dataset, z: name_person(dataset, **nobody))
    for name in ("RS.dcm", "RS2.dcm"):
        write_rtstruct(person / name, {"GTV": [box(CT, 2, (2.5, 5.5), (3.5, 7.5))]}, Reference(CT))
    for name in ("RS.dcm", "RS2.dcm", "dose/RD.dcm"):
        dataset = pydicom.dcmread(person / name.replace("dose/RD", "RS"))
        name_person(dataset, **nobody if name != named else {})
        if name == "dose/RD.dcm":
            dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.2"
        dataset.save_as(person / name)
    (person / "CT/ct099.dcm").write_bytes(b"")
    shown = "MEIER" if named is None else "…"
    assert told(tmp_path, "MEIER/CT/ct099.dcm: empty.") == f"{shown}/CT/ct099.dcm: empty."


def test_files_whose_names_differ_by_what_is_hidden_are_told_apart(tmp_path: Path) -> None:
    write_ct(tmp_path / "CT", CT)
    for name in ("RS_MEIER.dcm", "RS_Hans.dcm", "RS_1.dcm"):
        write_rtstruct(tmp_path / name, {"GTV": [box(CT, 2, (2.5, 5.5), (3.5, 7.5))]}, Reference(CT))
        dataset = pydicom.dcmread(tmp_path / name)
        name_person(dataset)
        dataset.save_as(tmp_path / name)
    assert told(tmp_path, "RS_MEIER.dcm, RS_1.dcm and RS_Hans.dcm, not RS_MEIER.dcm") == (
        "RS_….dcm (2 of 2 by name), RS_1.dcm and RS_….dcm (1 of 2 by name), not RS_….dcm (2 of 2 by name)"
    )


@pytest.mark.parametrize("encoding", ["latin-1", "cp850", "cp1250"])
def test_names_that_are_not_utf8_are_hidden_or_shown_byte_by_byte(tmp_path: Path, encoding: str) -> None:
    """As old archives unpack them."""
    export(tmp_path, PatientName="MÜLLER^EVA")
    for name, shown in (("MÜLLER_Eva", "…"), ("Schädel", f"Sch\\x{'ä'.encode(encoding).hex()}del")):
        folder = tmp_path / os.fsdecode(name.encode(encoding))
        folder.mkdir()
        (folder / "1.dcm").write_bytes(b"")
        text = f"{(folder / '1.dcm').relative_to(tmp_path)}: empty."
        assert readable(told(tmp_path, text)) == f"{shown}/1.dcm: empty."


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("Wałęsa", "cp852"), ("Şahin", "cp857"), ("Şahin", "cp1254"), ("Παπάς", "cp737"), ("Παπάς", "cp1253"),
     ("王小明", "big5"), ("王小明", "gb18030")],
)  # fmt: skip
def test_a_name_in_the_encoding_of_its_country_is_hidden(tmp_path: Path, name: str, encoding: str) -> None:
    export(tmp_path, SpecificCharacterSet="ISO_IR 192", PatientName=f"{name}^X")
    folder = tmp_path / os.fsdecode(f"{name}_CT".encode(encoding))
    folder.mkdir()
    (folder / "1.dcm").write_bytes(b"")
    text = f"{(folder / '1.dcm').relative_to(tmp_path)}: empty."
    assert readable(told(tmp_path, text)) == "…/1.dcm: empty."


def test_a_text_without_files_stays(tmp_path: Path) -> None:
    export(tmp_path)
    assert told(tmp_path, "MEIER stands in no file name here.") == "MEIER stands in no file name here."
