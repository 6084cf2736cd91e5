"""Which structure set and which contours make the label: nothing is left out, joined or replaced without a word."""

import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.ingest.dicom.structure_set import read_structure_set
from lunggtv.ingest.raw_scan import NOTED, REJECTED, WARNED, RawScan, Refused
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.unit.dicom_files import (
    CtSeries,
    Reference,
    box,
    leave_lengths_open,
    patient_files,
    settings,
    write_ct,
    write_other,
    write_rtstruct,
)

# The odd values are meant; pydicom warns of them when it writes.
pytestmark = pytest.mark.filterwarnings("ignore:.*for VR CS")
CT = CtSeries()
DEFLATED = "1.2.840.10008.1.2.1.99"
BOXES = [box(CT, z, (2.5, 5.5), (3.5, 7.5)) for z in (1, 2, 3)]  # 12 voxels each


def read(folder: Path, label: bool = True) -> RawScan:
    return read_dicom(patient_files(folder, label), settings())


def refusal(folder: Path, label: bool = True) -> Refused:
    with pytest.raises(Refused) as caught:
        read(folder, label)
    assert caught.value.reason.severity == REJECTED and str(folder) not in str(caught.value)
    return caught.value


def told(scan: RawScan) -> dict[str, tuple[str, str]]:
    """Severity and text of every note by its code."""
    return {note.code: (note.severity, note.text) for note in scan.notes}


def edit(path: Path, change: Callable[[Dataset], None]) -> None:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)


def strip(path: Path, meta: bool = True) -> None:
    """Take away preamble and prefix, and the file meta information unless ``meta``, as some planning systems do."""
    content = path.read_bytes()[132:]
    length = 12 + int.from_bytes(content[8:12], "little")
    path.write_bytes(content if meta else content[length:])


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """A CT and a structure set with a GTV of 36 voxels."""
    write_ct(tmp_path / "ct", CT)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": BOXES}, Reference(CT))
    return tmp_path


def test_a_deflated_structure_set_is_read(patient: Path) -> None:
    edit(patient / "rs.dcm", lambda dataset: setattr(dataset.file_meta, "TransferSyntaxUID", DEFLATED))
    assert read(patient).label.sum() == 36


# --- files without the DICOM prefix ---------------------------------------------------------------------------


@pytest.mark.parametrize("meta", [True, False], ids=["with meta information", "bare"])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_files_without_prefix_are_read(tmp_path: Path, syntax: str, meta: bool) -> None:
    stored = write_ct(tmp_path, replace(CT, syntax=syntax))
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": BOXES}, Reference(CT))
    for path in tmp_path.iterdir():
        strip(path, meta)
    scan = read(tmp_path)
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
    assert scan.label.sum() == 36
    assert scan.notes == ()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_files_kept_with_the_command_that_sent_them_are_read(tmp_path: Path, syntax: str) -> None:
    """Length, class and field of a DIMSE command stand first, without representations (PS3.7, 6.3.1)."""
    write_ct(tmp_path / "ct", replace(CT, syntax=syntax))
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": BOXES}, Reference(CT))
    command = b"".join(
        struct.pack("<HHI", 0, element, len(value)) + value
        for element, value in (
            (0, struct.pack("<I", 48)),
            (2, b"1.2.840.10008.5.1.4.1.1.481.3\0"),
            (0x100, b"\1\0"),
        )
    )
    content = (tmp_path / "rs.dcm").read_bytes()
    end = 132 + 12 + int.from_bytes(content[140:144], "little")  # of the file meta information
    (tmp_path / "rs.dcm").write_bytes(content[:end] + command + content[end:])
    assert read(tmp_path).label.sum() == 36


def test_a_set_without_prefix_beside_an_older_one_is_not_overlooked(patient: Path) -> None:
    write_rtstruct(patient / "old.dcm", {"GTV": BOXES[:1]}, Reference(CT))
    strip(patient / "rs.dcm", meta=False)
    refused = refusal(patient)
    assert refused.reason.code == "several_rtstructs"
    assert "old.dcm" in str(refused) and "rs.dcm" in str(refused)


STRONG = [
    "plan.dcm", "new.DCM", "rs_new.dcm.gz", "rs_new.dcm.part", "new.dcm~", "rs.dcm ", "RS1", "rtstruct", "RS_newest",
    "RS-new", "RS (1)", "rtstruct_new", "RS.1.2.246.352.71.4.12", "RS_1.2.840.113.4.5.bak",
]  # fmt: skip
WEAK = [
    "1.2.840.113704.1.5", "1.2.840.113.4.5_RTSTRUCT", "A.rtstruct", "struct.rs", "IM0042", "00000042", "structures",
    "StructureSet.1",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(
            (name, content)
            for name in STRONG
            for content in (b"", b"\0" * 4000, b"<html>404 Not Found</html>")
        ),
        *((name, content) for name in WEAK for content in (b"", b"\0" * 4000, b"\x1f\x8b\x08\0 packed")),
    ],
)
def test_what_may_be_the_right_structure_set_is_never_passed_over(
    patient: Path, name: str, content: bytes
) -> None:
    (patient / name).write_bytes(content)
    refused = refusal(patient)
    assert refused.reason.code == "unread_files"
    assert name in str(refused) and "nothing else is taken" in str(refused)
    assert told(read(patient, label=False))["suspect_files"][0] == WARNED


@pytest.mark.parametrize("content", [
    b"\x08\0\x05\0CS\x0a\0ISO_IR", b"\x08\0\x16\0UI\xff\xff" + b"1" * 900, b"\0" * 100 + b"DICM" + b"\x02\0\0\0UL\4\0",
])  # fmt: skip
def test_bytes_that_begin_like_dicom_are_never_passed_over(patient: Path, content: bytes) -> None:
    (patient / "anything").write_bytes(content)
    assert refusal(patient).reason.code == "unread_files"


@pytest.mark.parametrize("with_prefix", [True, False])
def test_a_newer_set_cut_anywhere_is_never_passed_over(patient: Path, with_prefix: bool) -> None:
    write_rtstruct(patient / "new.dcm", {"GTV": BOXES}, Reference(CT))
    whole = (patient / "new.dcm").read_bytes()[0 if with_prefix else 132 :]
    (patient / "new.dcm").unlink()
    for length in [*range(1, 600), *range(600, len(whole), 61)]:
        (patient / "newer").write_bytes(whole[:length])
        if length < (132 if with_prefix else 8):
            continue  # no sign of DICOM is left, nor in its name
        assert refusal(patient).reason.code in ("unread_files", "damaged_file", "damaged_rtstruct")


INNOCENT = [
    "jre/lib/rt.jar", "1.2.840.113619.2.55.dcm.md5", "ct001.dcm.sha256", "structures.stl", "GTV_rt.obj", "struct.mrb",
    "rs.done", "ct.dcm.lock", "RT-dvh.dat", "RS.lnk", "struct.toml", "rs.conf", "rt_plan.json.gz", "v1.2.3.4",
    "notes 12.11.2019.10", "notes.txt", "a.pdf", "rs.dcm.txt", "README", "VERSION", "MD5SUMS", "index.html",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *((name, content) for name in INNOCENT for content in (b"", b"some text\nof DICM files\n")),
        ("2019", b"text"), ("A12", b"text"), ("structures", b"lung\nheart\n"), ("rt", b"PK\x03\x04\0\0\0"),
        ("image.raw", b"\x08\0\x02\0\x10\0\0\0" * 99), ("contents.lst", b"DICM"), ("empty", b""),
    ],
)  # fmt: skip
def test_what_is_certainly_none_does_not_matter(patient: Path, name: str, content: bytes) -> None:
    (patient / name).parent.mkdir(parents=True, exist_ok=True)
    (patient / name).write_bytes(content)
    scan = read(patient)
    assert scan.label.sum() == 36
    assert {severity for severity, _ in told(scan).values()} == {NOTED}


FOREIGN = "1.2.3.4"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"


@pytest.mark.parametrize(
    ("data_class", "meta_class", "modality"),
    [
        (FOREIGN, FOREIGN, "RTSTRUCT"), (FOREIGN, FOREIGN, "rtstruct"), (FOREIGN, FOREIGN, "RTSTRUCT1"),
        (FOREIGN, FOREIGN, "OT"), (FOREIGN, FOREIGN, None), (CAPTURE, RTSTRUCT_CLASS, "OT"),
        (RTSTRUCT_CLASS, CAPTURE, None),
    ],
)  # fmt: skip
def test_a_structure_set_of_a_foreign_class_is_seen(
    patient: Path, data_class: str, meta_class: str, modality: str | None
) -> None:
    write_rtstruct(patient / "new.dcm", {"GTV": BOXES[:2]}, Reference(CT))

    def change(dataset: Dataset) -> None:
        dataset.SOPClassUID, dataset.file_meta.MediaStorageSOPClassUID = data_class, meta_class
        dataset.Modality = modality
        if modality is None:
            del dataset.Modality

    edit(patient / "new.dcm", change)
    assert refusal(patient).reason.code == "several_rtstructs"


# --- damage within the file --------------------------------------------------------------------------------------


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_damaged_length_never_loses_a_contour(tmp_path: Path, syntax: str, undefined: bool) -> None:
    write_ct(tmp_path, CT)
    path = tmp_path / "rs.dcm"
    write_rtstruct(path, {"GTV": BOXES, "Heart": BOXES}, Reference(CT))
    rewrite(path, syntax, undefined)
    whole = path.read_bytes()
    assert read(tmp_path).label.sum() == 36
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    marks = [struct.pack(f"{order}HH", 0xFFFE, element) for element in (0xE000, 0xE00D, 0xE0DD)]
    start = whole.index(struct.pack(f"{order}HH", 0x3006, 0x0020))
    places = [at for at in range(start, len(whole)) if whole[at : at + 4] in marks]
    assert len(places) >= 8
    for at in places:
        for byte in range(8):
            damaged = bytes([whole[at + byte] ^ (0x08 if (at // 2 + byte) % 2 else 0x40)])
            path.write_bytes(whole[: at + byte] + damaged + whole[at + byte + 1 :])
            try:
                scan = read(tmp_path)
            except Refused:
                continue
            assert scan.label.sum() == 36


def private_sequence(dataset: Dataset, unknown: bool) -> None:
    """A private sequence in the first contour; for one that will lose its representation, without its length."""
    inner = Dataset()
    inner.add_new(0x00080050, "SH", "1")
    item = dataset.ROIContourSequence[0].ContourSequence[0]
    block = item.private_block(0x3007, "TEST", create=True)
    block.add_new(0x10, "SQ", [inner])
    item[0x30071010].is_undefined_length = unknown


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize(
    "tail", [b"", b"\0" * 512, b"\r\n", b" " * 6, b"\xfe\xff\xdd\xe0\0\0\0\0", b"rubbish"]
)
def test_what_others_append_or_put_in_does_not_matter(patient: Path, tail: bytes, unknown: bool) -> None:
    edit(patient / "rs.dcm", lambda dataset: private_sequence(dataset, unknown))
    content = (patient / "rs.dcm").read_bytes()
    if unknown:
        # Explicit contents in a sequence that a gateway has made one of unknown representation.
        assert content.count(b"\x07\x30\x10\x10SQ") == 1
        content = content.replace(b"\x07\x30\x10\x10SQ", b"\x07\x30\x10\x10UN")
    (patient / "rs.dcm").write_bytes(content + tail)
    assert read(patient).label.sum() == 36


def rewrite(path: Path, syntax: str, undefined: bool) -> None:
    """Write a file again in another transfer syntax, its sequences with or without their lengths."""
    dataset = pydicom.dcmread(path)
    leave_lengths_open(dataset, undefined)
    dataset.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(
        path, dataset, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian,
        force_encoding=True,
    )  # fmt: skip


# --- other structure sets of the folder -------------------------------------------------------------------------


def dated(date: str, time: str = "101010") -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        dataset.StructureSetDate, dataset.StructureSetTime = date, time

    return change


@pytest.mark.parametrize(("date", "severity"), [("20190101", NOTED), ("20210101", WARNED), ("", NOTED)])
def test_a_newer_set_without_a_gtv_by_the_patterns_is_a_reason_to_look(
    patient: Path, date: str, severity: str
) -> None:
    edit(patient / "rs.dcm", dated("20200101"))
    write_rtstruct(patient / "b.dcm", {"Tumor": BOXES[:1], "Heart": BOXES}, Reference(CT))
    edit(patient / "b.dcm", dated(date))
    scan = read(patient)
    assert scan.label.sum() == 36
    found, text = told(scan)["other_rtstruct"]
    assert found == severity
    assert "b.dcm" in text and "'Tumor', 'Heart'" in text
    assert ("newer than rs.dcm" in text) == (severity == WARNED)
    assert "2021" not in text and "1010" not in text


@pytest.mark.parametrize(
    ("date", "time", "newer"),
    [("20200102", "080000", True), ("20191231", "235959", False), ("20200101", "200001", True)],
)
def test_days_count_before_hours(patient: Path, date: str, time: str, newer: bool) -> None:
    edit(patient / "rs.dcm", dated("20200101", "200000"))
    write_rtstruct(patient / "b.dcm", {"Tumor": BOXES[:1]}, Reference(CT))
    edit(patient / "b.dcm", dated(date, time))
    assert ("newer than rs.dcm" in told(read(patient))["other_rtstruct"][1]) == newer


def test_a_set_without_date_with_a_name_like_a_gtv_is_a_reason_to_look(patient: Path) -> None:
    write_rtstruct(patient / "b.dcm", {"iGTV": BOXES[:1]}, Reference(CT))
    edit(patient / "b.dcm", dated(""))
    severity, text = told(read(patient))["other_rtstruct"]
    assert severity == WARNED and "'iGTV'" in text and "may be newer than rs.dcm" in text


def test_a_set_of_templates_without_contours_does_not_matter(patient: Path) -> None:
    write_rtstruct(patient / "b.dcm", {"Heart": []}, Reference(CT))

    def empty(dataset: Dataset) -> None:
        del dataset.ROIContourSequence
        dataset.ApprovalStatus = "UNAPPROVED"

    edit(patient / "b.dcm", empty)
    assert told(read(patient))["other_rtstruct"][0] == NOTED
    # It may have been cut before its contours; these would be those of a heart.
    edit(patient / "b.dcm", lambda dataset: delattr(dataset, "ApprovalStatus"))
    assert told(read(patient))["other_rtstruct"][0] == NOTED


@pytest.mark.parametrize("names", [{"iGTV": []}, {"GTV 2": []}, {}])
def test_a_set_that_ends_before_contours_of_a_gtv_is_none_without(patient: Path, names: dict) -> None:
    """Nobody can tell whether it was cut there; by an element that comes later it is known to be whole."""
    write_rtstruct(patient / "b.dcm", names, Reference(CT))

    def empty(dataset: Dataset) -> None:
        del dataset.ROIContourSequence
        if not names:
            del dataset.StructureSetROISequence

    edit(patient / "b.dcm", empty)
    refused = refusal(patient)
    assert refused.reason.code == "damaged_rtstruct" and "take it out of the folder" in str(refused)
    edit(patient / "b.dcm", lambda dataset: setattr(dataset, "ApprovalStatus", "UNAPPROVED"))
    assert read(patient).label.sum() == 36


def test_a_set_is_shown_without_its_date_and_ids(patient: Path) -> None:
    edit(patient / "rs.dcm", lambda dataset: setattr(dataset, "StructureSetDate", "20210203"))
    shown = repr(read_structure_set(patient / "rs.dcm", patient, settings()))
    assert "'GTV'" in shown and "20210203" not in shown and CT.uid not in shown


def test_a_gtv_on_images_that_are_not_here_is_told(patient: Path) -> None:
    write_rtstruct(patient / "replan.dcm", {"GTVnew": BOXES[:1]}, Reference(replace(CT, number=9, frame=9)))
    scan = read(patient)
    assert scan.label.sum() == 36
    severity, text = told(scan)["other_gtv_left_out"]
    assert severity == WARNED
    assert "replan.dcm has a GTV too, 'GTVnew'" in text and "rs.dcm, which was taken" in text


def test_rois_named_like_a_gtv_but_not_taken_are_told(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": BOXES, "R_GTV": BOXES, "Lung": BOXES}, Reference(CT))
    assert told(read(tmp_path))["rois_not_taken"] == (
        NOTED,
        "ROIs that ingest.roi_patterns does not name, and which are not in the label: 'R_GTV'.",
    )


@pytest.mark.parametrize(
    "name",
    [
        "ＧＴＶ",
        "G T V",
        "G.T.V.",
        "g_t-v 2",
        "G\u00adT\u200bV",
        "GΤV",
        "GТV",
        "Gross Tumour Volume",
        "ГТВ",
        "大体肿瘤",
    ],
)
def test_what_people_may_mean_by_a_gtv_is_told_however_it_is_spelt(tmp_path: Path, name: str) -> None:
    write_ct(tmp_path, CT)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": BOXES, "R": BOXES, "Vestigial trunk": BOXES}, Reference(CT))

    def rename(dataset: Dataset) -> None:
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.StructureSetROISequence[1].ROIName = name

    edit(tmp_path / "rs.dcm", rename)
    severity, text = told(read(tmp_path))["rois_not_taken"]
    assert severity == NOTED and text.count("'") == 2 and "Vestigial" not in text


# --- numbers and names of ROIs ----------------------------------------------------------------------------------


def test_two_rois_of_one_number_are_refused(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": BOXES, "Heart": BOXES[:1]}, Reference(CT))

    def same_number(dataset: Dataset) -> None:
        dataset.StructureSetROISequence[1].ROINumber = 1

    edit(tmp_path / "rs.dcm", same_number)
    refused = refusal(tmp_path)
    assert refused.reason.code == "roi_number_twice"
    assert "ROI 'GTV' shares its number" in str(refused)


@pytest.mark.parametrize("number", ["01", "+1"])
def test_numbers_are_compared_as_numbers(patient: Path, number: str) -> None:
    edit(patient / "rs.dcm", lambda d: setattr(d.ROIContourSequence[0], "ReferencedROINumber", number))
    assert read(patient).label.sum() == 36


def take_names(dataset: Dataset, by_item: bool) -> None:
    """All ROIs but the first lose their names, or all that says they have one."""
    for roi in dataset.StructureSetROISequence[1:]:
        roi.ROIName = ""
    if by_item:
        del dataset.StructureSetROISequence[1:]


@pytest.mark.parametrize("by_item", [True, False])
def test_contours_of_a_roi_without_a_name_are_told(tmp_path: Path, by_item: bool) -> None:
    write_ct(tmp_path, CT)
    organs = {"Lost": BOXES, "Empty": [], "Too": BOXES[:1]}
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": BOXES} | organs, Reference(CT))
    edit(tmp_path / "rs.dcm", lambda d: take_names(d, by_item))
    scan = read(tmp_path)
    assert scan.label.sum() == 36
    assert told(scan)["nameless_rois"] == (
        WARNED,
        "rs.dcm holds contours of ROIs that it does not name (2); they are not in the label.",
    )


# --- types of contours ------------------------------------------------------------------------------------------


def closed(points: np.ndarray) -> np.ndarray:
    return np.vstack([points, points[:1]])


def typed(*kinds: str) -> Callable[[Dataset], None]:
    """Types of the first contours of the first ROI."""

    def change(dataset: Dataset) -> None:
        for item, kind in zip(dataset.ROIContourSequence[0].ContourSequence, kinds, strict=False):
            item.ContourGeometricType = kind

    return change


@pytest.mark.parametrize(
    "kind",
    [
        "CLOSED_PLANAR",
        "CLOSEDPLANAR_XOR",
        "CLOSED_PLANAR_XOR",
        "CLOSEDPLANAR",
        "CLOSED PLANAR",
        "closed_planar",
    ],
)
def test_spellings_of_the_closed_types(patient: Path, kind: str) -> None:
    edit(patient / "rs.dcm", typed(kind))
    scan = read(patient)
    assert scan.label.sum() == 36
    assert scan.notes == ()


@pytest.mark.parametrize("which", [1, 3])
def test_interpolated_contours_are_closed(patient: Path, which: int) -> None:
    edit(patient / "rs.dcm", typed(*["INTERPOLATED_PLANAR"] * which))
    scan = read(patient)
    assert scan.label.sum() == 36
    severity, text = told(scan)["contour_types"]
    assert severity == NOTED and "INTERPOLATED_PLANAR" in text


@pytest.mark.parametrize("kind", ["CLOSED_NONPLANAR", "FREEHAND", "OPEN_PLANAR", "OPEN_NONPLANAR"])
def test_a_contour_that_ends_where_it_began_is_closed_whatever_its_type(tmp_path: Path, kind: str) -> None:
    write_ct(tmp_path, CT)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": [closed(BOXES[0]), *BOXES[1:]]}, Reference(CT))
    edit(tmp_path / "rs.dcm", typed(kind))
    scan = read(tmp_path)
    assert scan.label.sum() == 36
    severity, text = told(scan)["contour_types"]
    assert severity == WARNED and kind in text


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("CLOSED_NONPLANAR", "CLOSED_NONPLANAR"),
        ("SPLINE", "SPLINE"),
        ("", "that is missing"),
        ("Müller^Hans", "that is no word of DICOM's"),
    ],
)
def test_a_contour_that_cannot_be_judged_rejects_by_its_type(patient: Path, kind: str, shown: str) -> None:
    edit(patient / "rs.dcm", typed("CLOSED_PLANAR", kind))
    refused = refusal(patient)
    assert refused.reason.code == "contour_type"
    assert f"a contour of ROI 'GTV' has a type {shown}" in str(refused)
    assert "ller" not in str(refused)
    assert read(patient, label=False).label is None


def test_the_type_of_other_rois_does_not_matter(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    write_rtstruct(tmp_path / "rs.dcm", {"Heart": BOXES, "GTV": BOXES}, Reference(CT))
    edit(tmp_path / "rs.dcm", typed("SPLINE"))
    assert read(tmp_path).label.sum() == 36


def test_a_gtv_of_open_contours_alone_is_told_beside_another(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV2": BOXES, "GTV1": BOXES[:2]}, Reference(CT))
    edit(tmp_path / "rs.dcm", typed(*["OPEN_PLANAR"] * 3))
    scan = read(tmp_path)
    assert scan.label.sum() == 24
    severity, text = told(scan)["open_contours"]
    assert severity == WARNED and "'GTV2'" in text and "(3)" in text


# --- contours and the images they name ----------------------------------------------------------------------------


def test_contours_far_from_the_images_that_they_name_are_told(patient: Path) -> None:
    def turned(dataset: Dataset) -> None:
        """The first contour names the last image, as after slices were renumbered."""
        image = dataset.ROIContourSequence[0].ContourSequence[0].ContourImageSequence[0]
        image.ReferencedSOPInstanceUID = CT.sop_uid(4)

    edit(patient / "rs.dcm", turned)
    scan = read(patient)
    assert scan.label.sum() == 36
    severity, text = told(scan)["contours_elsewhere"]
    assert severity == WARNED
    assert (
        "more than a slice from the images that they name" in text
        and "(1: ROI 'GTV', slice 2 (z -27 mm))" in text
    )


def test_a_contour_that_names_a_neighbour_is_not_told(patient: Path) -> None:
    def beside(dataset: Dataset) -> None:
        image = dataset.ROIContourSequence[0].ContourSequence[0].ContourImageSequence[0]
        image.ReferencedSOPInstanceUID = CT.sop_uid(2)

    edit(patient / "rs.dcm", beside)
    assert read(patient).notes == ()


def test_contour_data_padded_with_a_null_is_read(patient: Path) -> None:
    """As some systems pad a text to an even length."""
    content = (patient / "rs.dcm").read_bytes()
    tag = b"\x06\x30\x50\x00DS"
    assert content.count(tag) == len(BOXES)
    pieces = content.split(tag)
    padded = 0
    for number, piece in enumerate(pieces[1:], 1):
        length = int.from_bytes(piece[:2], "little")
        if piece[1 + length : 2 + length] == b" ":
            pieces[number] = piece[: 1 + length] + b"\0" + piece[2 + length :]
            padded += 1
    assert padded
    (patient / "rs.dcm").write_bytes(tag.join(pieces))
    assert read(patient).label.sum() == 36


@pytest.mark.parametrize(("mebibytes", "taken"), [(40, True), (257, False)])
def test_the_set_of_a_large_plan_is_read(patient: Path, mebibytes: int, taken: bool) -> None:
    """Some 20 MB; beyond 256 MiB it is no structure set. The bytes appended here are a hole of the file system."""
    if taken:
        edit(patient / "rs.dcm", lambda dataset: dataset.add_new(0x00091010, "OB", bytes(mebibytes << 20)))
        assert read(patient).label.sum() == 36
        return
    os.truncate(patient / "rs.dcm", mebibytes << 20)
    assert "an RTSTRUCT of more than 256 MiB is not read" in str(refusal(patient))


def test_a_segmentation_of_surfaces_is_none_of_voxels(patient: Path) -> None:
    write_other(patient / "surface.dcm", "1.2.840.10008.5.1.4.1.1.66.5", "SEG")
    scan = read(patient)
    assert scan.label.sum() == 36
    assert "1 surface segmentation" in " ".join(text for _, text in told(scan).values())
    (patient / "rs.dcm").unlink()
    assert "damaged_seg" not in refusal(patient).reason.code
