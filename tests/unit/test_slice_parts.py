"""What belongs to a part: pixels that touch at a corner, too."""

import numpy as np
import pytest
from lunggtv.ingest.dicom.slice_parts import apart_from, gaps


@pytest.mark.parametrize(("first", "apart"), [(2, []), (3, [(3, 3)])])
def test_a_part_goes_on_over_corners_and_ends_at_a_gap(first, apart):
    region, shown = np.zeros((5, 5), bool), np.zeros((5, 5), bool)
    region[1, 1] = region[first, first] = shown[1, 1] = shown[4, 4] = True
    assert list(map(tuple, np.argwhere(apart_from(region, shown)))) == apart


def test_slices_are_left_out_between_parts_that_overlap():
    mask = np.zeros((9, 6, 6), bool)
    mask[1:3, 1:3, 1:3] = mask[5:7, 2:4, 2:4] = True  # slices 3 and 4
    assert gaps(mask) == {3, 4}
    mask[3, 3, 3] = mask[4, 2, 2] = True  # from corner to corner
    assert gaps(mask) == set()
    mask[3:5] = False
    mask[5:7, 2, 2] = False  # they do not overlap
    assert gaps(mask) == set()
