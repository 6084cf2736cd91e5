"""The spacing that a cohort proposes for its caches."""

import pytest
from lunggtv.spacing import numbers_of, propose_spacing, proposing


def test_the_proposed_spacing_is_the_median_patient_s():
    cohort = [(5.0, 1.0, 1.0), (3.0, 1.2, 1.2), (5.0, 1.171875, 1.171875)]
    assert propose_spacing(cohort) == [5.0, 1.17, 1.17]
    assert propose_spacing([(3.004, 0.9, 1.6)]) == [3.0, 1.2, 1.2], "the square pixel of the same area"
    assert propose_spacing(cohort[:2]) == [3.0, 1.0, 1.0], "of two in the middle the lower"
    with pytest.raises(ValueError):
        propose_spacing([])


def test_those_who_propose_are_accepted_or_warned_and_labelled_where_anybody_is():
    rows = [
        {"patient": patient, "set": kind, "verdict": verdict}
        for patient, kind, verdict in (
            ("1", "labelled", "accepted"), ("2", "labelled", "warned"), ("3", "labelled", "rejected"),
            ("4", "", "excluded"), ("5", "unlabelled", "accepted"), ("6", "unlabelled", "rejected"),
        )
    ]  # fmt: skip
    assert [row["patient"] for row in proposing(rows)] == ["1", "2"]
    assert [row["patient"] for row in proposing(rows[3:])] == ["5"]
    assert proposing(rows[2:]) == [], "where the labelled are all rejected nobody stands in for them"
    assert proposing([]) == []


def test_numbers_of_a_cell():
    assert numbers_of("5 1.17 1.17188") == [5.0, 1.17, 1.17188]
    assert numbers_of("") == []
