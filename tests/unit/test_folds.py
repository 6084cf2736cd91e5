"""Folds: balanced, known from names, and nobody moves when patients are appended."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lunggtv.cohort.cohort import Cohort, check_run_folds
from lunggtv.cohort.deal_folds import deal_folds as write_folds
from lunggtv.cohort.folds import deal_folds
from lunggtv.errors import CohortError
from lunggtv.natural_order import natural_key


def test_natural_order():
    assert sorted(["10", "2", "1", "b2", "B10", "a"], key=natural_key) == ["1", "2", "10", "a", "b2", "B10"]
    # Digits that are no ciphers.
    assert sorted(["٣", "1²", "1", "²"], key=natural_key) == ["1", "1²", "²", "٣"]


@given(st.integers(1, 60), st.integers(2, 10), st.integers(0, 1000))
def test_folds_are_balanced_to_within_one(patients, count, seed):
    dealt = deal_folds([str(i) for i in range(patients)], count, seed)
    sizes = Counter(dealt.values())
    assert len(dealt) == patients
    assert max(sizes.values()) - min(sizes[fold] for fold in range(count)) <= 1


@given(st.integers(1, 40), st.integers(1, 20), st.integers(2, 10))
def test_appending_patients_moves_nobody(before, more, count):
    short = deal_folds([str(i) for i in range(before)], count, 1)
    long = deal_folds([str(i) for i in range(before + more)], count, 1)
    assert all(long[patient] == fold for patient, fold in short.items())


@given(st.permutations([str(i) for i in range(12)]))
def test_the_order_of_the_listing_does_not_count(patients):
    assert deal_folds(patients, 5, 7) == deal_folds(sorted(patients), 5, 7)


def test_the_seed_deals_differently():
    patients = [str(i) for i in range(50)]
    assert deal_folds(patients, 5, 1) != deal_folds(patients, 5, 2)


def test_pinned_patients_stay_where_the_user_put_them():
    dealt = deal_folds(["1", "2", "3", "4"], 2, 1, {"2": 1, "4": 1})
    assert dealt["2"] == dealt["4"] == 1
    assert sorted([dealt["1"], dealt["3"]]) == [0, 1]
    assert deal_folds(["1", "2", "3"], 2, 1, {"1": 0, "2": 0, "3": 0}) == {"1": 0, "2": 0, "3": 0}
    with pytest.raises(CohortError, match="not found: 9"):
        deal_folds(["1"], 2, 1, {"9": 0})
    with pytest.raises(CohortError, match=r"outside 0\.\.1"):
        deal_folds(["1"], 2, 1, {"1": 2})


def test_the_table_of_the_folds(tmp_path):
    write_folds([("10", 2), ("1", 0)], tmp_path / "folds.tsv")
    assert (tmp_path / "folds.tsv").read_text(encoding="utf-8") == "patient\tfold\n10\t2\n1\t0\n"


def test_only_the_folds_asked_for_are_trained():
    folds = {"1": 0, "2": 1, "3": 2, "4": 0}
    assert Cohort({}, {}, folds, ()).trained_folds == [0, 1, 2]
    assert Cohort({}, {}, folds, (), (2, 0)).trained_folds == [0, 2]
    assert Cohort({}, {}, {"1": 0}, (), (0,)).trained_folds == [], "there is nobody to train on"


def test_a_fold_to_train_that_holds_nobody_out_is_named():
    check_run_folds([1, 0], {0, 1, 2})
    with pytest.raises(CohortError) as caught:
        check_run_folds([7, 1, 3], {0, 1, 2})
    assert str(caught.value) == (
        "train.run_folds names fold 3, 7, which holds no patient out. Folds that can be trained: 0, 1, 2. They are "
        "numbered from 0; folds.count sets how many there are."
    )
    with pytest.raises(CohortError, match="none, for lack of labelled patients"):
        check_run_folds([0], set())


def test_each_block_of_patients_is_dealt_in_an_order_of_its_own():
    dealt = list(deal_folds([str(i) for i in range(100)], 5, 1).values())
    blocks = [tuple(dealt[i : i + 5]) for i in range(0, 100, 5)]
    assert all(sorted(block) == [0, 1, 2, 3, 4] for block in blocks)
    assert len(set(blocks)) > 5
