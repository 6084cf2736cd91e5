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
    assert scan.reasons[0].text == (
        f"ct stores HU + {offset} (air near {offset - 1000}, soft tissue near {offset + 40}); {offset} was taken away."
    )


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
    assert scan.reasons[0].text == (
        f"ct is padded with {value} HU outside the field of view, which is no air; the padding was set to -1024 HU "
        "from the borders inwards."
    )
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


def histogram(**voxels: int) -> np.ndarray:
    """Counts of a thousand voxels: so many at each HU (``_1000`` is -1000), the rest between lung and fat."""
    counts = np.zeros(65536, np.int64)
    for name, number in {"_1000": 100, "40": 100, **voxels}.items():
        counts[int(name.replace("_", "-")) + 32768] += number
    counts[-400 + 32768] += 1000 - counts.sum()
    return counts


@pytest.mark.parametrize(
    ("enough", "not_enough"),
    [
        ({"_1000": 20}, {"_1000": 19}),
        ({"40": 30}, {"40": 29}),
        ({"1500": 50}, {"1500": 51}),
        ({"1499": 500}, {"1500": 500}),
        ({"_1000": 0, "_1100": 100}, {"_1000": 0, "_1101": 100}),
        ({"_1000": 0, "_600": 100}, {"_1000": 0, "_599": 100}),
        ({"40": 0, "_200": 100}, {"40": 0, "_201": 100}),
        ({"40": 0, "200": 100}, {"40": 0, "201": 100}),
        # Below air, the two commonest values are padding and what stands for no value.
        ({f"_{n}": 1 for n in range(2000, 2022)}, {f"_{n}": 1 for n in range(2000, 2023)}),
    ],
    ids=["air", "tissue", "dense", "from 1500", "thinnest air", "densest air", "fat", "muscle", "below air"],
)
def test_what_a_ct_must_hold_at_the_limits(enough, not_enough):
    assert find_offset(histogram(**{"1000": 0, **enough})) == 0
    assert find_offset(histogram(**{"1000": 0, **not_enough})) is None


@pytest.mark.parametrize(("other", "padding_hu"), [(6, 0), (7, None)])
def test_a_ring_fills_nine_of_ten_corners(other, padding_hu):
    """Of 64 corners; what fills them is no padding if it is elsewhere in one of ten."""
    ct = ringed(chest_hu(), 0)
    ct[:other, 0, 0] = -1000
    assert to_hounsfield(ct, "ct").padding_hu == padding_hu


@pytest.mark.parametrize(("voxels", "padding_hu"), [(26, -2000), (25, None)])
def test_a_value_below_air_is_padding_from_a_thousandth_of_the_voxels_on(voxels, padding_hu):
    ct = chest_hu()  # 25,344 voxels
    ct.reshape(-1)[5000 : 5000 + voxels] = -2000
    assert to_hounsfield(ct, "ct").padding_hu == padding_hu


@pytest.mark.parametrize(("value", "padding_hu"), [(-1024, -1024), (-1023, None), (-940, None), (-939, -939)])
def test_a_ring_of_what_may_be_air_is_air(value, padding_hu):
    scan = to_hounsfield(ringed(chest_hu(), value), "ct")
    assert scan.padding_hu == padding_hu
    assert [reason.code for reason in scan.reasons] == ["padding_in_range"] * (value == -939)


def bump(middle: int, width: float, voxels: int) -> np.ndarray:
    """Counts of values scattered about a middle."""
    values = np.arange(-32768, 32768)
    share = np.exp(-0.5 * ((values - middle) / width) ** 2)
    return np.rint(voxels * share / share.sum()).astype(np.int64)


@pytest.mark.parametrize(("offset", "air"), [(-1024, 24), (-1000, 0)])
def test_where_outer_air_peaks_decides_between_the_offsets(offset, air):
    assert find_offset(bump(air, 12, 20_000) + bump(40 - offset, 20, 20_000)) == offset


def test_thin_lungs_are_not_taken_for_outer_air():
    """Air was cut to one value; lungs peak at -934 HU, and single voxels are thinner than 1024 stands for."""
    counts = bump(66, 15, 20_000) + bump(1040, 20, 20_000)
    counts[32768] += 20_000
    counts[32768 - 20 : 32768 - 10] += 20
    assert find_offset(counts) == -1000
