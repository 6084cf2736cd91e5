"""Planes between slices: HU linear, labels by their shape."""

import numpy as np
import pytest
from lunggtv.ingest.dicom.added_planes import fill_hounsfield, label_between, thin_ends_ml

PIXEL_MM = (1.0, 1.0)


def test_hounsfield_units_are_mixed_by_distance_and_rounded():
    hu = np.full((8, 1, 2), -7777, np.int16)
    hu[[0, 1, 4, 6, 7], 0, 0] = [10, 100, 400, -1, 7]
    hu[[0, 1, 4, 6, 7], 0, 1] = [0, -1000, -900, -901, 0]
    fill_hounsfield(hu, (0, 1, 4, 6, 7))
    assert hu[:, 0, 0].tolist() == [10, 100, 200, 300, 400, 200, -1, 7]  # 199.5 to the even number
    assert hu[:, 0, 1].tolist() == [0, -1000, -967, -933, -900, -900, -901, 0]


def test_values_at_the_ends_of_a_type_do_not_overflow():
    hu = np.array([[[-32768, 32767]], [[0, 0]], [[32767, -32768]]], np.int16)
    fill_hounsfield(hu, (0, 2))
    assert hu[1].tolist() == [[0, 0]]


def test_fractions_stay_where_hu_are_no_whole_numbers():
    hu = np.array([[[1.0]], [[0.0]], [[2.5]]], np.float32)
    fill_hounsfield(hu, (0, 2))
    assert hu[1, 0, 0] == 1.75


def squares(*sides: tuple[int, int] | None, size: int = 24) -> np.ndarray:
    """A plane each with a square of pixels ``first`` to ``stop``, or none."""
    mask = np.zeros((len(sides), size, size), np.uint8)
    for plane, side in zip(mask, sides, strict=True):
        if side is not None:
            plane[slice(*side), slice(*side)] = 1
    return mask


def test_the_shape_halfway_between_two_squares_is_the_square_between():
    mask = squares((4, 20), None, (8, 16))
    between = label_between(mask, (0, 2), PIXEL_MM)
    assert between[1, 12].tolist() == [0] * 6 + [1] * 12 + [0] * 6
    # Corners are cut: there the distance to the larger square's corner is one along the diagonal.
    assert 0.9 * 144 <= between.sum() <= 144
    assert not between[[0, 2]].any()


def test_shapes_change_step_by_step_over_several_planes():
    mask = squares((2, 22), None, None, None, (10, 14))
    between = label_between(mask, (0, 4), PIXEL_MM)
    assert between[:, 12].sum(axis=1).tolist() == [0, 16, 12, 8, 0]


def test_a_border_that_moves_by_parts_of_pixels_moves_evenly():
    # By two pixels over three planes: the border lies 0.67 and 1.33 pixels in, the first pixel's centre half a pixel.
    mask = squares((4, 20), None, None, (6, 18))
    assert label_between(mask, (0, 3), PIXEL_MM)[:, 12].sum(axis=1).tolist() == [0, 14, 14, 0]


def test_pixels_that_are_longer_than_wide_count_in_mm():
    mask = np.zeros((3, 9, 40), np.uint8)
    mask[0, 4, 10:30] = 1
    mask[2, 1:8, 10:30] = 1
    # By mm the border of the line lies 1.5 pixels of 4 mm off, so that halfway it is one pixel each way and a half.
    assert label_between(mask, (0, 2), (4.0, 1.0))[1, :, 20].tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]


def test_a_hole_goes_on_between_slices():
    mask = squares((2, 22), None, (2, 22))
    mask[[0, 2], 10:14, 10:14] = 0
    between = label_between(mask, (0, 2), PIXEL_MM)[1]
    np.testing.assert_array_equal(between, mask[0])


def test_what_ends_or_lies_elsewhere_is_not_joined():
    mask = squares((4, 9), None, None, None, (4, 9), None, (14, 20))
    between = label_between(mask, (0, 2, 4, 6), PIXEL_MM)
    assert not between.any()


def test_a_label_at_the_edge_of_the_image_stays_whole():
    mask = squares((0, 6), None, (0, 6))
    np.testing.assert_array_equal(label_between(mask, (0, 2), PIXEL_MM)[1], mask[0])


@pytest.mark.parametrize(("times", "share"), [(2, 0.005), (3, 0.02)])
def test_the_volume_of_a_ball_is_that_of_its_slices(times, share):
    step_mm, radius_mm = 2.0, 22.0
    z, y, x = np.indices((25, 60, 60)) - np.array([12, 30, 30])[:, None, None, None]
    ball = ((z * step_mm) ** 2 + y**2 + x**2 < radius_mm**2).astype(np.uint8)
    planes = tuple(range(0, 25, times))
    known = np.zeros_like(ball)
    known[list(planes)] = ball[list(planes)]
    whole = known | label_between(known, planes, PIXEL_MM)
    seen = whole.any(axis=(1, 2))  # beyond the outermost contours nothing is known
    assert int(whole.sum()) == pytest.approx(int(ball[seen].sum()), rel=share)


def test_ends_are_thinner_by_half_the_planes_between():
    # Distances in planes: 1, 2, 4; the label on slices 1 and 2 of the four.
    mask = squares(None, (4, 9), None, (4, 9), None, None, None, None)
    planes = (0, 1, 3, 7)
    mask |= label_between(mask, planes, PIXEL_MM)
    # Upwards half of 4 planes instead of half a plane: 1.5 planes of 2 mm of 25 pixels; downwards nothing is lost.
    assert thin_ends_ml(mask, planes, (2.0, 1.0, 1.0)) == pytest.approx(1.5 * 2 * 25 / 1000)
    # A single slice between wide ones lacks both: half a plane more below.
    mask[:] = squares(None, None, None, (4, 9), None, None, None, None)
    assert thin_ends_ml(mask, planes, (2.0, 1.0, 1.0)) == pytest.approx((1.5 + 0.5) * 2 * 25 / 1000)


def test_an_end_beside_another_part_is_an_end_too():
    mask = squares((4, 9), None, (4, 9))
    mask[0, 14:20, 14:20] = 1
    mask |= label_between(mask, (0, 2), PIXEL_MM)
    assert thin_ends_ml(mask, (0, 2), (2.0, 1.0, 1.0)) == pytest.approx(0.5 * 2 * 36 / 1000)
