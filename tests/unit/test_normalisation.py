"""Window and z-score: hand-computed statistics, air kept, patients counted alike."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lunggtv.model.normalisation import Normalisation, fit_normalisation


def patient(gtv_hu: list[int], other_hu: list[int]) -> tuple[np.ndarray, np.ndarray]:
    ct = np.array([[gtv_hu + other_hu]], np.int16)
    label = np.array([[[1] * len(gtv_hu) + [0] * len(other_hu)]], np.uint8)
    return ct, label


def test_mean_and_spread_are_those_of_gtv_voxels():
    fitted = fit_normalisation([patient([-100, 100], [-1000] * 8)])
    assert fitted.mean_hu == pytest.approx(0.0)
    assert fitted.std_hu == pytest.approx(100.0)
    assert (fitted.lower_hu, fitted.upper_hu) == (-1000.0, 150.0)


def test_every_patient_counts_the_same():
    # 1 voxel of 0 HU against 9 of 100 HU: the mean is 50, not 90.
    fitted = fit_normalisation([patient([0], []), patient([100] * 9, [])])
    assert fitted.mean_hu == pytest.approx(50.0, abs=1e-6)


def test_bright_outliers_are_clipped():
    # The top 0.4 % of the voxels lie above the 99.5th percentile, the top 0.6 % reach below it.
    fitted = fit_normalisation([patient([200] * 996 + [3000] * 4, [])])
    assert (fitted.upper_hu, fitted.mean_hu) == (200.0, pytest.approx(200.0))
    assert fit_normalisation([patient([200] * 994 + [3000] * 6, [])]).upper_hu == 3000.0


def test_values_below_air_count_as_air():
    fitted = fit_normalisation([patient([-3024, 100], [])])
    assert (fitted.mean_hu, fitted.std_hu) == (pytest.approx(-450.0), pytest.approx(550.0))


def test_spread_is_the_standard_deviation():
    fitted = fit_normalisation([patient([0, 0, 0, 400], [])])
    assert (fitted.mean_hu, fitted.std_hu) == (pytest.approx(100.0), pytest.approx(30000**0.5))


def test_shares_that_have_no_binary_fraction_are_exact_enough():
    # A third of 0 HU in one patient, one in seven in the other.
    fitted = fit_normalisation([patient([0, 100, 100], []), patient([100] * 6 + [0], [])])
    assert fitted.mean_hu == pytest.approx((200 / 3 + 600 / 7) / 2, abs=1e-6)


def test_both_ends_of_the_window_are_cut():
    fitted = Normalisation(-900.0, 200.0, 50.0, 100.0)
    values = fitted.apply(torch.tensor([-1000, -900, 50, 200, 3000], dtype=torch.int16))
    assert values.dtype == torch.float32
    assert values.tolist() == pytest.approx([-9.5, -9.5, 0.0, 1.5, 1.5])
    assert fitted.air == pytest.approx(-9.5)


def test_flat_tumours_do_not_blow_noise_up():
    assert fit_normalisation([patient([40] * 10, [])]).std_hu == 50.0


def test_without_any_gtv_the_boxes_serve():
    fitted = fit_normalisation([patient([], [-200, 100]), patient([], [150])])
    assert fitted.mean_hu == pytest.approx((-50.0 + 150.0) / 2)


def test_nobody_is_an_error():
    with pytest.raises(ValueError, match="training patient"):
        fit_normalisation([])


def test_air_survives_and_is_told_from_lung():
    fitted = fit_normalisation([patient([0, 40, 80], [-1000] * 5)])
    values = fitted.apply(torch.tensor([-3024, -1000, -850, 40], dtype=torch.int16))
    assert values[0] == values[1] == pytest.approx(fitted.air)
    assert values[2] - values[1] == pytest.approx(150 / fitted.std_hu)


def test_plain_types_and_back():
    fitted = fit_normalisation([patient([0, 40, 80], [])])
    assert Normalisation.from_dict(fitted.to_dict()) == fitted


def test_shares_that_have_no_binary_fraction_add_up_to_the_same_in_any_order():
    # 1/3 + 2/7 + 3/11 depends on the order in floating point.
    cohort = [patient([0] * n + [100] * (k - n), []) for n, k in ((1, 3), (2, 7), (3, 11))]
    assert len({fit_normalisation(order) for order in permutations(cohort)}) == 1


@given(
    st.lists(st.lists(st.integers(-1024, 3000), min_size=1, max_size=9), min_size=2, max_size=5),
    st.randoms(use_true_random=False),
)
def test_order_of_patients_changes_no_bit(cohort, random):
    patients = [patient(voxels, [-1000]) for voxels in cohort]
    shuffled = random.sample(patients, len(patients))
    assert fit_normalisation(patients) == fit_normalisation(shuffled)


def test_whatever_sixteen_bits_hold_is_clipped_to_the_window():
    """Metal, and padding of another scanner, in the label."""
    ct = np.full((10, 10, 10), 40, np.int16)
    ct[0, 0, :2] = 32767, -32768
    found = fit_normalisation([(ct, np.ones(ct.shape, np.uint8))])
    assert (found.lower_hu, found.upper_hu, found.std_hu) == (-1000.0, 150.0, 50.0)
    assert found.mean_hu == pytest.approx((998 * 40 + 150 - 1000) / 1000, abs=1e-3)
