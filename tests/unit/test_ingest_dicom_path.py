"""A DICOM folder through the whole of ingest: same checks, same outputs, no identity in any of them."""

import logging

import numpy as np
import pytest
from lunggtv.volume import read_metadata, read_volume

from tests.unit.dicom_files import (
    MARKS,
    CtSeries,
    Reference,
    box,
    patient_files,
    write_ct,
    write_rtstruct,
)
from tests.unit.ingest_bodies import GRID, chest_hu, ingest

SERIES = CtSeries(
    slices=16, rows=36, columns=44, spacing_mm=GRID.spacing_mm, origin_mm=GRID.origin_mm, intercept=-1024
)


@pytest.fixture
def folder(tmp_path):
    """The chest as a series, with a GTV on three slices."""
    write_ct(tmp_path / "7/ct", SERIES, (chest_hu() + np.int16(1024)).astype(np.uint16))
    contours = [box(SERIES, z, (16.5, 19.5), (28.5, 31.5)) for z in (7, 8, 9)]
    write_rtstruct(tmp_path / "7/rs.dcm", {"GTV-1": contours}, Reference(SERIES))
    return tmp_path / "7"


def test_a_series_with_its_structure_set(folder, tmp_path):
    outcome = ingest(patient_files(folder), tmp_path)
    assert outcome.verdict["verdict"] == "accepted", outcome.words
    assert outcome.verdict["format"] == "dicom"
    assert outcome.verdict["hu_rule"] == "as stored"
    assert outcome.verdict["gtv_ml"] == pytest.approx(3 * 3 * 3 * 0.384)
    volume = read_volume(outcome.volume, "ingest")
    assert np.array_equal(volume.ct, chest_hu())
    assert np.argwhere(volume.label).min(axis=0).tolist() == [7, 17, 29]
    assert len(volume.metadata["slice_digests"]) == 16


def test_a_lost_intercept_is_mended_by_the_same_rule(folder, tmp_path):
    lost = CtSeries(**{**vars(SERIES), "intercept": None})
    write_ct(folder / "ct", lost, (chest_hu() + np.int16(1024)).astype(np.uint16))
    outcome = ingest(patient_files(folder), tmp_path)
    assert (outcome.verdict["verdict"], outcome.verdict["hu_rule"]) == ("warned", "minus 1024")
    assert "The CT series stores HU + 1024" in outcome.words
    assert np.array_equal(read_volume(outcome.volume, "ingest").ct, chest_hu())


def test_a_series_that_is_no_thorax_in_hu(folder, tmp_path):
    write_ct(folder / "ct", SERIES, np.full(GRID.shape, 1500, np.uint16) + np.arange(44, dtype=np.uint16))
    outcome = ingest(patient_files(folder), tmp_path)
    assert "not_hu" in outcome.codes
    assert (
        "The CT series is not in Hounsfield units: its values run from 476 to 519 with the median 497, and neither as "
        "stored nor less 1024 or 1000 do air and soft tissue lie where they must. It may be windowed, normalised, an "
        "MR, or no thorax. Export the CT with its rescale slope and intercept."
    ) in outcome.words


def test_nothing_of_the_header_comes_out(folder, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    accepted = ingest(patient_files(folder), tmp_path / "one")
    next(iter(sorted((folder / "ct").iterdir()))).unlink()
    (folder / "rs.dcm").unlink()
    refused = ingest(patient_files(folder), tmp_path / "two")
    assert (accepted.verdict["verdict"], refused.verdict["verdict"]) == ("accepted", "rejected")
    said = caplog.text.encode()
    for outcome in (accepted, refused):
        said += outcome.volume.read_bytes() + outcome.volume.with_name("verdict.json").read_bytes()
    said += repr(read_metadata(accepted.volume, "ingest")).encode()
    assert not [mark for mark in MARKS if mark.encode() in said]
