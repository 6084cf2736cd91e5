"""No name, id, date or UID of a DICOM header leaves the reader, whatever happens to the files."""

import logging
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.ingest.raw_scan import Refused
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from tests.unit.dicom_files import (
    DATE_MARK,
    MARKS,
    NAME_MARK,
    CtSeries,
    Reference,
    box,
    patient_files,
    settings,
    write_ct,
    write_rtstruct,
)

CT = CtSeries(slices=3, rows=32, columns=32)


def outcome(folder: Path, labelled: bool = True, series: str | None = None) -> str:
    """All words that reading a folder gives out."""
    try:
        scan = read_dicom(patient_files(folder, labelled), settings(series=series))
    except Refused as refused:
        chain = (refused.__cause__, None if refused.__suppress_context__ else refused.__context__)
        return f"{refused!r} {refused.reason!r} {chain!r}"
    assert scan.ct.shape == CT.grid.shape
    return repr(scan)


def write_patient(folder: Path, series: CtSeries = CT) -> None:
    write_ct(folder, series)
    write_rtstruct(
        folder / "rs.dcm",
        {"GTV": [box(series, z, (2.5, 9.5), (3.5, 7.5)) for z in (0, 1, 2)]},
        Reference(series),
    )


def assert_silent(text: str) -> None:
    assert not [mark for mark in MARKS if mark in text], text


@pytest.fixture
def listened(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture, recwarn: pytest.WarningsRecorder
):
    """Checks at the end that nothing was logged, printed or warned with a mark in it."""
    caplog.set_level(logging.DEBUG)
    warnings.simplefilter("always")
    yield
    printed = capfd.readouterr()
    assert_silent(caplog.text + printed.out + printed.err + "".join(str(w.message) for w in recwarn))


@pytest.mark.usefixtures("listened")
def test_scan_and_refusals_are_free_of_identity(tmp_path: Path) -> None:
    write_patient(tmp_path / "good")
    assert_silent(outcome(tmp_path / "good"))
    assert_silent(outcome(tmp_path / "good", series="s00000000"))

    write_patient(tmp_path / "several")
    write_ct(tmp_path / "several" / "b", replace(CT, number=2, frame=2))
    write_rtstruct(
        tmp_path / "several" / "rs2.dcm", {"GTV": [box(CT, 1, (2.5, 9.5), (3.5, 7.5))]}, Reference(CT)
    )
    assert_silent(outcome(tmp_path / "several"))
    (tmp_path / "several" / "rs.dcm").unlink()
    (tmp_path / "several" / "rs2.dcm").unlink()
    assert_silent(outcome(tmp_path / "several"))
    assert_silent(outcome(tmp_path / "several", labelled=False))

    write_ct(tmp_path / "absent", CT)
    write_rtstruct(
        tmp_path / "absent" / "rs.dcm",
        {"GTV": [box(CT, 1, (2, 9), (3, 7))]},
        Reference(replace(CT, number=3)),
    )
    assert_silent(outcome(tmp_path / "absent"))


def _names_in_numbers(dataset: Dataset, z: int) -> None:
    """Identifying text where pydicom expects numbers: its own errors and warnings would quote it."""
    for keyword in ("AcquisitionNumber", "GantryDetectorTilt"):
        dataset.add_new(keyword, "LO", NAME_MARK)
    dataset.add_new("RescaleSlope", "LO", NAME_MARK)
    dataset.add_new("PatientBirthDate", "LO", f"{DATE_MARK} {NAME_MARK}")
    dataset.add_new("FrameOfReferenceUID", "LO", f"{NAME_MARK} is no UID")


@pytest.mark.usefixtures("listened")
def test_values_of_a_wrong_kind_are_not_quoted(tmp_path: Path) -> None:
    # Implicit VR: the reader must take the kind from its dictionary and convert the names to numbers.
    write_ct(tmp_path, replace(CT, syntax=ImplicitVRLittleEndian), change=_names_in_numbers)
    assert_silent(outcome(tmp_path, labelled=False))


@pytest.mark.usefixtures("listened")
@pytest.mark.parametrize("syntax", [CT.syntax, ImplicitVRLittleEndian, RLELossless])
def test_damaged_bytes_bring_no_identity_out_and_no_other_error(tmp_path: Path, syntax: str) -> None:
    write_patient(tmp_path, replace(CT, syntax=syntax))
    rng = np.random.default_rng(4)
    for trial in range(30):
        path = tmp_path / ("rs.dcm", "ct001.dcm")[trial % 2]
        whole = path.read_bytes()
        at, length = int(rng.integers(len(whole))), int(rng.integers(1, 16))
        damage = (rng.bytes(length), b"", b"\xff" * length)[trial % 3]
        path.write_bytes(whole[:at] + damage + whole[at + length :])
        assert_silent(outcome(tmp_path))
        path.write_bytes(whole)


@pytest.mark.usefixtures("listened")
def test_files_without_prefix_bring_no_identity_out(tmp_path: Path) -> None:
    write_patient(tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[132:])
    assert_silent(outcome(tmp_path))
    rng = np.random.default_rng(5)
    path = tmp_path / "rs.dcm"
    whole = path.read_bytes()
    for _ in range(30):
        at = int(rng.integers(len(whole)))
        for damaged in (whole[:at] + rng.bytes(4) + whole[at + 4 :], whole[: max(at, 20)]):
            path.write_bytes(damaged)
            assert_silent(outcome(tmp_path))


@pytest.mark.usefixtures("listened")
@pytest.mark.parametrize(
    "kind", [f"{NAME_MARK}^HANS ", f"{NAME_MARK} Hans ", f"SP\\{NAME_MARK}ABC", f"{NAME_MARK}      "]
)
def test_a_name_in_the_place_of_a_contour_type_is_not_quoted(tmp_path: Path, kind: str) -> None:
    write_patient(tmp_path)
    path = tmp_path / "rs.dcm"
    path.write_bytes(path.read_bytes().replace(b"CLOSED_PLANAR ", kind.encode()))
    text = outcome(tmp_path)
    assert "no word of DICOM" in text
    assert_silent(text)
