"""The spacing that a cohort proposes for its caches."""

import pytest
from lunggtv.spacing import propose_spacing


def test_the_proposed_spacing_is_the_median_patient_s():
    cohort = [(5.0, 1.0, 1.0), (3.0, 1.2, 1.2), (5.0, 1.171875, 1.171875)]
    assert propose_spacing(cohort) == [5.0, 1.17, 1.17]
    assert propose_spacing([(3.004, 0.9, 1.6)]) == [3.0, 1.2, 1.2], "the square pixel of the same area"
    with pytest.raises(ValueError):
        propose_spacing([])
