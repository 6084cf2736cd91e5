"""Samples: functions of (seed, fold, number) alone; even over patients; inside the box."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from lunggtv.train.sampling import AUGMENTATION, PATIENTS, PLACE, Window, draw_case, draw_window, stream

SHAPES = [(20, 40, 50), (10, 30, 30), (30, 60, 40)]
PATCH = (12, 24, 24)


def foreground_of(shape, voxel=(5, 6, 7)) -> np.ndarray:
    return np.array([np.ravel_multi_index(voxel, shape)])


def draw(index, seed=1, fold=0, share=0.33, shapes=SHAPES, patch=PATCH) -> Window:
    return draw_window(seed, fold, index, shapes, [foreground_of(s) for s in shapes], patch, share)


def test_a_sample_does_not_depend_on_those_before_it():
    forward = [draw(i) for i in range(20)]
    assert [draw(i) for i in reversed(range(20))] == forward[::-1]


def test_seed_fold_number_and_purpose_give_streams_of_their_own():
    draws = {
        stream(*key).integers(2**62).item()
        for key in [
            (1, 0, PLACE, 0),
            (2, 0, PLACE, 0),
            (1, 1, PLACE, 0),
            (1, 0, PLACE, 1),
            (1, 0, AUGMENTATION, 0),
        ]
    }
    assert len(draws) == 5


def test_case_and_place_of_a_sample_are_drawn_from_the_streams_of_its_own_seed_and_fold():
    """Another draw would train other weights than the card tells of."""
    assert stream(7, 2, PLACE, 5).integers(2**62) == 2496325109680132151
    for index in range(40, 60):
        dealt = stream(7, 2, PATIENTS, index // 3).permutation(3)
        window = draw(index, 7, 2, share=0.0)
        assert draw_case(7, 2, index, 3) == window.case == dealt[index % 3]
        _, *jitter = stream(7, 2, PLACE, index).random(4)
        starts = [
            round(j * max(n - p, 0)) for j, n, p in zip(jitter, SHAPES[window.case], PATCH, strict=True)
        ]
        edges = [(min(n, p) - 1) / 2 for n, p in zip(SHAPES[window.case], PATCH, strict=True)]
        assert window.centre == tuple(start + edge for start, edge in zip(starts, edges, strict=True))


def test_streams_of_neighbouring_samples_do_not_overlap():
    first, second = (stream(1, 0, PLACE, i).integers(2**62, size=1000) for i in (0, 1))
    assert not np.intersect1d(first, second).size


def test_seed_fold_and_round_deal_the_patients_anew():
    def deal(seed, fold, first=0):
        return tuple(draw_case(seed, fold, first + i, 20) for i in range(20))

    assert len({deal(1, 0), deal(2, 0), deal(1, 1), deal(1, 0, 20)}) == 4


@given(st.integers(1, 50), st.integers(0, 100))
def test_every_patient_comes_once_a_round(count, round_number):
    indices = range(round_number * count, (round_number + 1) * count)
    assert sorted(draw_case(7, 2, i, count) for i in indices) == list(range(count))


def test_seed_and_fold_place_the_windows_anew():
    boxes = [(60, 200, 200)]
    places = [
        [draw(i, seed, fold, shapes=boxes).centre for i in range(5)]
        for seed, fold in ((1, 0), (2, 0), (1, 1))
    ]
    assert places[0] != places[1] and places[0] != places[2]


def test_foreground_share_is_exact():
    assert sum(draw(i, share=0.25).foreground for i in range(400)) == 100
    # 0.29 * 100 is 28.999999999999996 in floating point.
    assert sum(draw(i, share=0.29).foreground for i in range(100)) == 29
    assert not any(draw(i, share=0.0).foreground for i in range(50))
    assert all(draw(i, share=1.0).foreground for i in range(50))


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(0, 2**32 - 1))
def test_patches_stay_inside_the_box(index, seed):
    window = draw(index, seed=seed)
    for centre, length, patch in zip(window.centre, SHAPES[window.case], PATCH, strict=True):
        start = centre - (patch - 1) / 2
        if patch <= length:
            assert start == int(start)
            assert 0 <= start <= length - patch
        else:
            assert centre == (length - 1) / 2


def test_a_chosen_gtv_voxel_is_in_the_middle_of_the_patch():
    shape = (40, 60, 80)
    for voxel in ((10, 40, 60), (30, 20, 20)):
        windows = [
            draw_window(1, 0, i, [shape], [foreground_of(shape, voxel)], PATCH, 1.0) for i in range(100)
        ]
        away = np.array([window.centre for window in windows]) - voxel
        # Half of the patch is central; the rest is rounding to whole voxels. No side is spared.
        assert (np.abs(away) <= np.array(PATCH) / 4 + 0.5).all()
        assert (away.max(axis=0) > np.array(PATCH) / 4 - 1.5).all()
        assert (away.min(axis=0) < -np.array(PATCH) / 4 + 1.5).all()


def test_every_gtv_voxel_is_chosen_as_often():
    shape = (40, 60, 80)
    voxels = np.ravel_multi_index(([10, 20, 30], [30] * 3, [40] * 3), shape)
    z = [draw_window(1, 0, i, [shape], [voxels], PATCH, 1.0).centre[0] for i in range(600)]
    # Patches of 12 slices, half of which are central: within 4 slices of the voxel chosen. 200 +- 12 each.
    assert all(160 < np.sum(np.abs(np.array(z) - place) < 4) < 240 for place in (10, 20, 30))


def test_background_patches_reach_all_of_the_box():
    starts = np.array([draw(i, share=0.0, shapes=[(20, 40, 50)]).centre for i in range(600)])
    starts -= (np.array(PATCH) - 1) / 2
    assert starts.min(axis=0).tolist() == [0, 0, 0]
    assert starts.max(axis=0).tolist() == [8, 16, 26]


def test_axes_are_drawn_by_themselves():
    shape = (120, 240, 240)
    gtv = foreground_of(shape, (60, 120, 120))
    for share in (0.0, 1.0):
        centres = [draw_window(1, 0, i, [shape], [gtv], PATCH, share).centre for i in range(400)]
        # Chance correlations of 400 samples: 0.05.
        assert np.abs(np.corrcoef(np.array(centres).T) - np.eye(3)).max() < 0.2


def test_patient_without_gtv_is_shown_anyway():
    window = draw_window(1, 0, 0, [(20, 40, 50)], [np.array([], np.int64)], PATCH, 1.0)
    assert not window.foreground
