"""Where a finding about a label begins: each limit from both sides."""

import numpy as np
import pytest
from lunggtv.ingest.checks import check_label, check_label_in_body


@pytest.mark.parametrize(
    ("sizes", "codes"),
    [
        ([], ["label_empty"]),
        ([1], ["label_one_voxel"]),
        ([2], []),
        ([9, 3], ["label_specks"]),
        ([9, 4], []),
        ([3, 3], []),  # nothing larger: a small tumour on thick slices
        ([1, 1], []),
    ],
)
def test_a_part_of_three_voxels_is_a_speck_beside_a_larger_one(sizes, codes):
    assert [reason.code for reason in check_label(np.array(sizes, int), "label.nii.gz")] == codes


@pytest.mark.parametrize(
    ("outside", "codes"),
    [
        (0, []),
        (50, []),
        (51, ["label_partly_outside"]),
        (500, ["label_partly_outside"]),
        (501, ["label_outside_body"]),
        (1000, ["label_outside_body"]),
    ],
)
def test_a_label_may_lie_a_twentieth_outside_the_body_and_half_of_it_with_a_warning(outside, codes):
    mask = np.ones((1, 1, 1000), np.uint8)
    body = np.arange(1000)[None, None] >= outside
    body = np.concatenate([body, np.ones_like(body)], axis=1)
    mask = np.concatenate([mask, np.zeros_like(mask)], axis=1)
    ct = np.full(mask.shape, -1000, np.int16)
    reasons = [*check_label_in_body(mask, ct, body, "label.nii.gz")]
    assert [reason.code for reason in reasons] == codes
    assert [reason.severity for reason in reasons] == ["rejected"] * (outside > 500) + ["warned"] * (
        50 < outside <= 500
    )


@pytest.mark.parametrize(("hu", "codes"), [(-931, ["label_outside_body"]), (-930, [])])
def test_lung_that_the_field_of_view_cuts_off_the_body_is_no_outer_air(hu, codes):
    mask = np.array([[[1, 1, 0]]], np.uint8)
    body = np.array([[[False, False, True]]])
    ct = np.full(mask.shape, hu, np.int16)
    assert [reason.code for reason in check_label_in_body(mask, ct, body, "label.nii.gz")] == codes
