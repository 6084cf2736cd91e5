"""What counts as Hounsfield units, what is mended by rule, and what is refused."""

import numpy as np
import pytest
from lunggtv.ingest.hounsfield import FLOOR_HU, find_offset, to_hounsfield, value_counts
from lunggtv.ingest.raw_scan import Refused

from tests.unit.ingest_bodies import GRID, chest_hu


def ringed(ct: np.ndarray, value: int) -> np.ndarray:
    """The chest inside a round field of view, padded with one value around it."""
    _, y, x = np.indices(GRID.shape)
    padded = ct.copy()
    padded[((y - 17.5) / 18) ** 2 + ((x - 21.5) / 22) ** 2 > 1] = value
    return padded


def test_value_counts_against_numpy():
    array = np.random.default_rng(0).integers(-32768, 32768, (3, 40, 50)).astype(np.int16)
    counts = value_counts(array)
    values, numbers = np.unique(array, return_counts=True)
    assert np.array_equal(np.flatnonzero(counts) - 32768, values)
    assert np.array_equal(counts[counts > 0], numbers)


def test_hu_stay_as_they_are():
    scan = to_hounsfield(chest_hu(), "ct")
    assert (scan.rule, scan.padding_hu, scan.reasons) == ("as stored", None, ())
    assert np.array_equal(scan.ct, chest_hu())


@pytest.mark.parametrize("offset", [1024, 1000])
@pytest.mark.parametrize("noise_hu", [5.0, 15.0, 40.0])
def test_a_stored_offset_is_taken_away_and_told(offset, noise_hu):
    hu = chest_hu(noise_hu=noise_hu)
    scan = to_hounsfield(hu + np.int16(offset), "ct")
    assert scan.rule == f"minus {offset}"
    assert np.array_equal(scan.ct, hu)
    assert [reason.code for reason in scan.reasons] == ["hu_offset"]
    assert scan.reasons[0].severity == "warned"
    assert f"HU + {offset}" in scan.reasons[0].text


@pytest.mark.parametrize("offset", [1024, 1000])
def test_an_offset_in_unsigned_numbers_that_were_cut_at_zero(offset):
    hu = chest_hu(noise_hu=20)
    scan = to_hounsfield(np.maximum(hu + np.int32(offset), 0), "ct")
    assert scan.rule == f"minus {offset}"
    assert np.array_equal(scan.ct, np.maximum(hu, -offset))


def test_air_outside_that_was_masked_does_not_hide_the_offset():
    hu = ringed(chest_hu(), -1024)
    hu[hu < -900] = -1024
    scan = to_hounsfield(hu + np.int16(1024), "ct")
    assert scan.rule == "minus 1024"
    assert np.array_equal(scan.ct, hu)


@pytest.mark.parametrize("offset", [1024, 1000])
def test_air_of_almost_one_value(offset):
    """Resampled scans: air at -1000, a little ringing to either side."""
    hu = chest_hu()
    air = hu < -900
    hu[air] = np.where(np.random.default_rng(0).random(int(air.sum())) < 0.05, -1007, -1000)
    scan = to_hounsfield(hu + np.int16(offset), "ct")
    assert scan.rule == f"minus {offset}"


@pytest.mark.parametrize("value", [-1024, -1500, -2000, -2048, -3024, -32768])
def test_padding_becomes_air_and_is_recorded(value):
    scan = to_hounsfield(ringed(chest_hu(), value), "ct")
    assert (scan.rule, scan.padding_hu) == ("as stored", value)
    assert np.array_equal(scan.ct, ringed(chest_hu(), FLOOR_HU))


def test_padding_and_offset_together():
    """A scanner's raw numbers: -2000 outside, HU + 1024 inside."""
    stored = ringed(chest_hu() + np.int16(1024), -2000)
    scan = to_hounsfield(stored, "ct")
    assert (scan.rule, scan.padding_hu) == ("minus 1024", -3024)
    assert np.array_equal(scan.ct, ringed(chest_hu(), FLOOR_HU))


def test_padding_within_the_range_of_air_and_offset_together():
    """The ring is emptied where the stored values say it is, which are 1024 too high."""
    scan = to_hounsfield(ringed(chest_hu(), -900) + np.int16(1024), "ct")
    assert (scan.rule, scan.padding_hu) == ("minus 1024", -900)
    assert np.array_equal(scan.ct, ringed(chest_hu(), FLOOR_HU))


@pytest.mark.parametrize("value", [0, 40, 3071])
def test_padding_that_looks_like_tissue_is_emptied_from_the_border(value):
    ct = ringed(chest_hu(), value)
    inside = chest_hu() == value
    scan = to_hounsfield(ct, "ct")
    assert scan.padding_hu == value
    assert [reason.code for reason in scan.reasons] == ["padding_in_range"]
    assert f"{value} HU" in scan.reasons[0].text
    expected = ringed(chest_hu(), FLOOR_HU)
    assert np.array_equal(scan.ct, expected), "the same value inside the body stays"
    assert value == 3071 or (scan.ct[inside & (expected == value)] == value).all()


def test_rings_of_interpolation_around_the_padding_are_cut_off():
    ct = ringed(chest_hu(), -2000)
    ct[:, 0, 3:20] = -3600
    scan = to_hounsfield(ct, "ct")
    assert scan.rule == "as stored"
    assert scan.ct.min() == FLOOR_HU


def test_fractions_are_rounded_and_told():
    scan = to_hounsfield(chest_hu().astype(np.float32) + np.float32(0.3), "ct")
    assert np.array_equal(scan.ct, chest_hu())
    assert [(reason.code, reason.severity) for reason in scan.reasons] == [("rounded", "noted")]


def test_whole_numbers_in_floats_are_not_rounded():
    assert to_hounsfield(chest_hu().astype(np.float32), "ct").reasons == ()


def test_values_beyond_sixteen_bits_are_clipped():
    ct = chest_hu().astype(np.int32)
    ct[8, 18, 22] = 70_000
    assert to_hounsfield(ct, "ct").ct[8, 18, 22] == 32767


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(lambda hu: np.clip((hu + 160) / 400 * 255, 0, 255) // 1, id="window of 8 bits"),
        pytest.param(lambda hu: np.clip(hu, -160, 240), id="soft tissue window"),
        pytest.param(lambda hu: (hu / 1000).astype(np.float32), id="thousandths"),
        pytest.param(lambda hu: ((hu + 1000) / 2000).astype(np.float32), id="0 to 1"),
        pytest.param(lambda hu: (hu + 1000) // 4, id="scaled"),
        pytest.param(lambda hu: hu // 2, id="halved"),
        pytest.param(lambda hu: hu + np.int16(4096), id="another offset"),
        pytest.param(lambda hu: -hu, id="inverted"),
        pytest.param(lambda hu: np.abs(hu + 1000) // 2 + 5, id="like an MR"),
        pytest.param(lambda hu: np.random.default_rng(1).integers(-32768, 32767, hu.shape), id="noise"),
    ],
)
def test_anything_else_is_refused(foreign):
    values = foreign(chest_hu())
    with pytest.raises(Refused, match="ct is not in Hounsfield units") as caught:
        to_hounsfield(values if values.dtype == np.float32 else values.astype(np.int16), "ct")
    assert caught.value.reason.code == "not_hu"
    assert "rescale slope and intercept" in caught.value.reason.text


def test_find_offset_by_hand():
    """Ten air, ten muscle voxels: HU as they are, moved by 1024, and moved by 300."""
    for moved, offset in ((0, 0), (1024, -1024), (300, None)):
        counts = np.zeros(65536, np.int64)
        for hu in (*range(-1005, -995), *range(40, 50)):
            counts[hu + moved + 32768] = 1
        assert find_offset(counts) == offset
