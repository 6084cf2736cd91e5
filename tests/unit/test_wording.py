"""Sizes and lists as messages have them."""

import pytest
from lunggtv.wording import by, few, interval95


def test_sizes_are_told_in_the_order_and_format_asked_for():
    assert by((97, 512, 512)) == "97 x 512 x 512"
    assert by((5.0, 1.17000001, 1.5), ".6g") == "5 x 1.17 x 1.5"
    assert by(["own", "2"]) == "own x 2"


@pytest.mark.parametrize(
    ("names", "text"),
    [("", ""), ("a", "a"), ("abcde", "a, b, c, d, e"), ("abcdef", "a, b, c, d, e and 1 more")],
)
def test_the_first_names_are_listed_and_the_rest_counted(names, text):
    assert few(list(names)) == text


def test_as_many_names_as_are_asked_for():
    assert few(["a", "b", "c", "d"], 2) == "a, b and 2 more"


def test_an_interval_in_words():
    assert interval95([-0.126, 0.5]) == "95 % interval -0.13 to 0.50"
    assert interval95((0.0, 1.0), "+.1f") == "95 % interval +0.0 to +1.0"
