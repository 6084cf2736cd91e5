"""A file that cannot be read matters only where it may be the structure set or a slice of the CT."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.ingest.raw_scan import NOTED, WARNED, RawScan, Refused
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1

from tests.unit.dicom_files import (
    RTSTRUCT_CLASS,
    CtSeries,
    Reference,
    box,
    patient_files,
    settings,
    write_ct,
    write_other,
    write_rtstruct,
)

CT = CtSeries()
BOXES = [box(CT, z, (2.5, 5.5), (3.5, 7.5)) for z in (1, 2, 3)]  # 12 voxels each
DOSE, STRUCTURED_REPORT = "1.2.840.10008.5.1.4.1.1.481.2", "1.2.840.10008.5.1.4.1.1.88.67"
DIRECTORY = "1.2.840.10008.1.3.10"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_ct(tmp_path / "ct", CT)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": BOXES}, Reference(CT))
    return tmp_path


def read(folder: Path, label: bool = True) -> RawScan:
    return read_dicom(patient_files(folder, label), settings())


def refusal(folder: Path, label: bool = True) -> Refused:
    with pytest.raises(Refused) as caught:
        read(folder, label)
    assert str(folder) not in str(caught.value)
    return caught.value


def told(scan: RawScan) -> dict[str, tuple[str, str]]:
    return {note.code: (note.severity, note.text) for note in scan.notes}


def damage(path: Path) -> None:
    """Break the length of an element behind the class: what follows cannot be read."""
    content = path.read_bytes()
    at = content.index(b"\x08\x00\x60\x00CS")  # Modality
    path.write_bytes(content[: at + 6] + b"\xff\xff" + content[at + 8 : at + 40])


@pytest.mark.parametrize("sop_class", [DOSE, STRUCTURED_REPORT])
def test_a_damaged_object_of_a_kind_that_nobody_needs_is_listed(folder: Path, sop_class: str) -> None:
    write_other(folder / "other.dcm", sop_class, "RTDOSE")
    damage(folder / "other.dcm")
    scan = read(folder)
    assert scan.label.sum() == 36
    kind = "RTDOSE" if sop_class == DOSE else "other object"
    assert told(scan)["skipped_files"] == (NOTED, f"files not used: 1 {kind}")
    assert "suspect_files" not in told(scan)


def test_a_directory_of_any_size_is_listed(folder: Path) -> None:
    path = folder / "DICOMDIR"
    write_other(path, DIRECTORY, "")
    content = path.read_bytes()
    at = content.index(b"\x08\x00")
    records = b"\x04\x00\x20\x12SQ\0\0" + (3 << 20).to_bytes(4, "little")
    path.write_bytes(
        content[:at] + records + b"\xfe\xff\x00\xe0" + (3 << 20).to_bytes(4, "little") + bytes(1 << 20)
    )
    scan = read(folder)
    assert scan.label.sum() == 36 and "1 DICOMDIR" in told(scan)["skipped_files"][1]


def test_a_damaged_structure_set_is_one(folder: Path) -> None:
    write_rtstruct(folder / "b.dcm", {"GTV": BOXES}, Reference(CT))
    damage(folder / "b.dcm")
    refused = refusal(folder)
    assert refused.reason.code == "damaged_rtstruct" and "b.dcm" in str(refused)
    assert read(folder, label=False).ct.shape == CT.grid.shape


def test_a_damaged_file_of_a_class_that_holds_structures_may_be_one(folder: Path) -> None:
    write_rtstruct(folder / "b.dcm", {"GTV": BOXES}, Reference(CT))
    content = (
        (folder / "b.dcm").read_bytes().replace(RTSTRUCT_CLASS.encode(), b"1.2.840.10008.5.1.4.1.1.488.3")
    )
    at = content.index(b"\x08\x00\x60\x00CS")
    (folder / "b.dcm").write_bytes(content[: at + 6] + b"\xff\xff" + content[at + 8 :])
    assert refusal(folder).reason.code in ("unread_files", "damaged_rtstruct")


@pytest.mark.parametrize("label", [True, False])
def test_a_damaged_slice_of_the_ct_rejects_and_one_of_another_series_does_not(
    folder: Path, label: bool
) -> None:
    other = replace(CT, number=2, frame=2, slices=3)
    write_ct(folder / "other", other)
    if not label:
        write_rtstruct(folder / "rs.dcm", {"Heart": BOXES}, Reference(CT))
    cut_behind_series(folder / "other/ct001.dcm")
    write_ct(folder / "other", replace(other, slices=1), name="more{}.dcm".format)
    scan = read(folder, label)
    assert len(scan.ct) == 5
    assert "damaged CT images of other series (1)" in told(scan)["skipped_files"][1]
    cut_behind_series(folder / "ct/ct004.dcm")
    refused = refusal(folder, label)
    assert refused.reason.code == "damaged_file" and "ct/ct004.dcm" in str(refused)


def cut_behind_series(path: Path) -> None:
    content = path.read_bytes()
    at = content.index(b"\x20\x00\x32\x00DS")  # ImagePositionPatient
    path.write_bytes(content[: at + 6] + b"\xff\xff" + content[at + 8 : at + 40])


def test_a_damaged_slice_of_an_unknown_series_rejects(folder: Path) -> None:
    damage(folder / "ct/ct000.dcm")
    assert refusal(folder).reason.code == refusal(folder, label=False).reason.code == "damaged_file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told_by_name(folder: Path) -> None:
    (folder / "secret").write_bytes(b"x")
    (folder / "secret").chmod(0)
    refused = refusal(folder)
    assert refused.reason.code == "unreadable_file" and "permissions" in str(refused)
    assert told(read(folder, label=False))["suspect_files"][0] == WARNED


def test_a_file_that_may_not_be_read_is_told_by_name_without_permissions(folder: Path, monkeypatch) -> None:
    (folder / "secret").write_bytes(b"x")
    real = open

    def refusing(path, *arguments, **named):
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **named)

    monkeypatch.setattr("lunggtv.ingest.dicom.headers.open", refusing, raising=False)
    refused = refusal(folder)
    assert refused.reason.code == "unreadable_file"
    assert "secret" in str(refused) and "Mend their permissions" in str(refused)
    severity, text = told(read(folder, label=False))["suspect_files"]
    assert severity == WARNED and "may not be read: secret" in text


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEG2000Lossless])
@pytest.mark.parametrize("padding", [b"\xff", b"\x01\x02", b"\x20" * 15])
def test_padding_behind_the_end_of_coded_pixels_is_no_damage(
    tmp_path: Path, syntax: str, padding: bytes
) -> None:
    series = CtSeries(slices=3, rows=32, columns=32, syntax=syntax, bits_stored=12)
    stored = series.stored()

    def change(dataset: Dataset, z: int) -> None:
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1)).rstrip(b"\0")
        dataset.PixelData = encapsulate([frame + padding])
        dataset["PixelData"].is_undefined_length = True

    write_ct(tmp_path, series, stored, change=change)
    np.testing.assert_array_equal(read(tmp_path, label=False).ct, stored.astype(int) - 1024)
