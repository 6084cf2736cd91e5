"""Slices of one stack: one distance, several, or a gap, and what is said about each."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lunggtv.ingest.dicom.headers import CtSlice, SlicePlace
from lunggtv.ingest.dicom.slice_distances import distances_text, planes_along, runs_of
from lunggtv.ingest.raw_scan import Refused

TOLERANCE_MM = 0.1
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def heights_of(*runs: tuple[int, float], first_mm: float = -100.0) -> np.ndarray:
    """Heights in mm of slices with so many distances of so many mm, one run after the other."""
    steps = np.repeat([mm for _, mm in runs], [count for count, _ in runs])
    return first_mm + np.concatenate([[0.0], np.cumsum(steps)])


def slices_at(
    heights_mm: np.ndarray, numbers: list[int] | list[None] | None = None, along: int = 2
) -> list[CtSlice]:
    """CT images at these heights along one axis, called ct000.dcm and so on; all of one number if none are given."""
    slices = []
    for z, height in enumerate(heights_mm):
        position = [0.0, 0.0, 0.0]
        position[along] = float(height)
        place = SlicePlace((1.0, 1.0), (position[0], position[1], position[2]), AXIAL)
        number = 1 if numbers is None else numbers[z]
        slices.append(
            CtSlice(Path(f"ct{z:03d}.dcm"), f"ct{z:03d}.dcm", 4, 4, place, number, "s", f"{z}", "f", "1", "")
        )
    return slices


def planes(heights_mm: np.ndarray, numbers: list[int] | list[None] | None = None) -> list[int]:
    return planes_along(slices_at(heights_mm, numbers), heights_mm, TOLERANCE_MM).tolist()


def refusal(heights_mm: np.ndarray, numbers: list[int] | list[None] | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        planes(heights_mm, numbers)
    return caught.value


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([(4, 3.0)], [0, 1, 2, 3, 4]),
        ([(2, 5.0), (3, 2.5), (2, 5.0)], [0, 2, 4, 5, 6, 7, 9, 11]),
        ([(4, 3.0), (2, 6.0)], [0, 1, 2, 3, 4, 6, 8]),
        ([(2, 6.0), (1, 3.0)], [0, 2, 4, 5]),
        ([(3, 1.25), (2, 2.5), (2, 5.0)], [0, 1, 2, 3, 5, 7, 11, 15]),
        # A step between the two distances on the way from one to the other is no gap.
        ([(3, 2.0), (1, 4.0), (3, 6.0)], [0, 1, 2, 3, 5, 8, 11, 14]),
        ([(3, 1.0), (2, 10.0)], [0, 1, 2, 3, 13, 23]),
    ],
)
def test_distances_that_are_multiples_of_the_smallest_lie_on_its_planes(runs, expected):
    assert planes(heights_of(*runs)) == expected


def test_rounded_positions_carry_no_error_through_a_long_stack():
    exact = heights_of((60, 1.25), (30, 2.5), (60, 1.25))
    assert planes(np.round(exact, 1)) == [*range(61), *range(62, 121, 2), *range(121, 181)]


def test_a_short_distance_by_rounding_is_not_that_of_the_planes():
    heights_mm = heights_of((4, 1.0), (2, 8.0))
    heights_mm[1] -= 0.09
    assert planes(heights_mm) == [0, 1, 2, 3, 4, 12, 20]


@pytest.mark.parametrize(
    ("runs", "where", "usual", "missing"),
    [
        ([(3, 3.0), (1, 6.0), (3, 3.0)], "from ct003.dcm to ct004.dcm it is 6 mm", 3, 1),
        ([(3, 3.0), (1, 9.0), (3, 3.0)], "from ct003.dcm to ct004.dcm it is 9 mm", 3, 2),
        ([(5, 3.0), (1, 6.0)], "from ct005.dcm to ct006.dcm it is 6 mm", 3, 1),
        ([(1, 6.0), (5, 3.0)], "from ct000.dcm to ct001.dcm it is 6 mm", 3, 1),
        ([(3, 3.0), (1, 6.0), (2, 3.0), (1, 6.0), (4, 3.0)], "from ct003.dcm to ct004.dcm it is 6 mm", 3, 2),
        # Every third file is lost.
        ([(1, 3.0), (1, 6.0)] * 4, "from ct001.dcm to ct002.dcm it is 6 mm", 3, 4),
        # A gap in a stack that has two distances beside.
        (
            [(3, 5.0), (4, 2.5), (1, 5.0), (4, 2.5), (3, 5.0)],
            "from ct007.dcm to ct008.dcm it is 5 mm",
            2.5,
            1,
        ),
        ([(4, 3.0), (3, 6.0), (1, 12.0), (3, 6.0)], "from ct007.dcm to ct008.dcm it is 12 mm", 6, 1),
        ([(4, 6.0), (1, 12.0), (4, 3.0)], "from ct004.dcm to ct005.dcm it is 12 mm", 6, 1),
        ([(4, 5.0), (1, 10.0), (4, 5.0), (4, 4.0)], "from ct004.dcm to ct005.dcm it is 10 mm", 5, 1),
    ],
)
def test_a_single_wider_distance_among_others_is_a_gap(runs, where, usual, missing):
    reason = refusal(heights_of(*runs)).reason
    assert reason.code == "missing_slices"
    assert f"{where} where slices lie {usual:g} mm apart (missing in all: {missing})" in reason.text
    assert "Copy the whole series again" in reason.text


@pytest.mark.parametrize("turned", [False, True])
def test_numbers_tell_slices_taken_out_from_wider_slices(turned):
    heights_mm = heights_of((4, 3.0), (3, 6.0), (4, 3.0))
    counted = list(range(1, 13))
    left_out = [1, 2, 3, 4, 5, 7, 9, 11, 12, 13, 14, 15]
    if turned:
        counted, left_out = counted[::-1], left_out[::-1]
    assert planes(heights_mm, counted) == [0, 1, 2, 3, 4, 6, 8, 10, 11, 12, 13, 14]
    reason = refusal(heights_mm, left_out).reason
    assert reason.code == "missing_slices"
    assert (
        "from ct004.dcm to ct005.dcm it is 6 mm where slices lie 3 mm apart (missing in all: 3)"
        in reason.text
    )
    # Numbers that jump elsewhere too, or by other amounts, prove nothing.
    assert planes(heights_mm, [1, 2, 3, 4, 5, 7, 9, 12, 13, 14, 15, 16]) == planes(heights_mm)
    assert planes(heights_mm, [None] * 12) == planes(heights_mm)
    assert planes(heights_mm, [1, 3, 4, 6, 7, 9, 11, 13, 14, 16, 17, 19]) == planes(heights_mm)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("lost", "where", "usual", "missing"),
    [
        ([25], "from ct004.dcm to ct005.dcm it is 20 mm", 10, 1),
        ([15], "from ct002.dcm to ct003.dcm it is 20 mm", 10, 1),
        ([20, 25], "from ct003.dcm to ct004.dcm it is 30 mm", 10, 2),
        ([15, 25], "from ct002.dcm to ct003.dcm it is 20 mm", 10, 2),
        ([5, 15, 25], "from ct000.dcm to ct001.dcm it is 20 mm", 10, 3),
        # What is left of the fine part looks like one more of the wide distances.
        ([31, 32, 33, 34], "from ct006.dcm to ct007.dcm it is 10 mm", 2, 4),
    ],
)
def test_numbers_find_files_lost_beside_another_distance(lost, where, usual, missing, turned):
    whole = [0, 5, 10, 15, 20, 25, *range(30, 41)]
    numbers = {place: 1 + (len(whole) - z if turned else z) for z, place in enumerate(whole)}
    kept = [place for place in whole if place not in lost]
    reason = refusal(2.0 * np.array(kept), [numbers[place] for place in kept]).reason
    assert reason.code == "missing_slices"
    assert f"{where} where slices lie {usual} mm apart (missing in all: {missing})" in reason.text


@pytest.mark.parametrize("second", [0, 8, 101])
def test_numbers_that_jump_where_the_distance_changes_tell_of_no_lost_file(second):
    """The second part of a scan may be numbered anew, or from another number on."""
    heights_mm = heights_of((6, 10.0), (10, 2.0))
    numbers = [*range(1, 7), *range(second, second + 11)]
    assert planes(heights_mm, numbers) == planes(heights_mm)


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        ([(6, 5.0), (4, 4.0)], "4 and 5 mm apart: 5 mm up to ct006.dcm (z -70 mm), then 4 mm."),
        (
            [(6, 3.0), (2, 2.0), (4, 3.0)],
            "2 and 3 mm apart: 3 mm up to ct006.dcm (z -82 mm), 2 mm up to ct008.dcm",
        ),
        ([(3, 2.5), (1, 3.0), (3, 5.0)], "2.5 and 3 and 5 mm apart"),
        ([(6, 5.0), (4, 4.0)], "Not all are multiples of the smallest."),
        ([(3, 0.3), (3, 0.6)], "By ingest.slice_tolerance_mm the smallest cannot be told from the rounding"),
        ([(3, 11.0), (2, 1.0), (3, 11.0)], "The largest is more than 10 times the smallest"),
    ],
)
def test_distances_that_are_no_multiples_are_told_with_a_way_out(runs, text):
    reason = refusal(heights_of(*runs)).reason
    assert reason.code == "uneven_slices"
    assert text in reason.text
    assert (
        "Resample CT and GTV together" in reason.text
        and "NIfTI" in reason.text
        and "3D Slicer" in reason.text
    )
    assert "missing" not in reason.text and "opy" not in reason.text


@pytest.mark.parametrize(
    "steps",
    [
        [3.0, 0.1, 5.9, 3.0],
        [3.0, 3.0, 4.0, 3.0],
        [3.0, 4.5, 3.4, 7.0, 3.0],
    ],
)
def test_distances_without_order_are_irregular(steps):
    reason = refusal(np.concatenate([[0.0], np.cumsum(steps)])).reason
    assert reason.code == "irregular_slices"
    assert f"varies from {min(steps):g} to {max(steps):g} mm" in reason.text


def test_runs_join_what_rounding_parts():
    runs = runs_of(np.array([0.0, 1.2, 2.5, 3.7, 6.2, 8.7]), TOLERANCE_MM)
    assert [(run.first, run.last) for run in runs] == [(0, 3), (3, 5)]
    assert [run.mm for run in runs] == pytest.approx([3.7 / 3, 2.5])


def test_one_distance_is_told_by_one_number_in_all_its_runs():
    heights_mm = np.round(heights_of((3, 1.25), (3, 2.5), (5, 1.25), first_mm=0.0) + 0.04, 1)
    text = distances_text(slices_at(heights_mm), heights_mm, TOLERANCE_MM)
    assert "lie 1.25 and 2.5 mm apart: 1.25 mm up to" in text and text.endswith("then 1.25 mm")


def test_many_changes_are_cut_short_and_heights_left_out_where_the_stack_is_not_axial():
    heights_mm = heights_of(*[(2, 3.0), (2, 6.0)] * 5)
    text = distances_text(slices_at(heights_mm, along=0), heights_mm, TOLERANCE_MM)
    assert text.endswith("3 mm up to ct010.dcm, 6 mm up to ct012.dcm, and so on")
    assert "z " not in text


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(st.sampled_from([0.02, 0.3, 1.2, 1.3, 2.5, 3.0, 5.0, 7.5, 40.0]), min_size=2, max_size=14),
    numbers=st.one_of(st.none(), st.lists(st.integers(-3, 40), min_size=15, max_size=15)),
)
def test_every_stack_is_refused_in_words_or_each_slice_has_a_plane_of_its_own_where_it_lies(steps, numbers):
    heights_mm = np.concatenate([[-7.0], -7.0 + np.cumsum(steps)])
    try:
        found = np.array(planes(heights_mm, numbers))
    except Refused as refused:
        assert refused.reason.text.endswith(".")
        return
    assert found[0] == 0 and np.all(np.diff(found) >= 1)
    on_planes = -7.0 + found * (heights_mm[-1] - heights_mm[0]) / found[-1]
    assert np.abs(heights_mm - on_planes).max() <= TOLERANCE_MM
