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
    ("sizes", "text"),
    [
        ([9, 8, 7, 3, 1], "label.nii.gz has 2 specks of at most 3 voxels beside its 3 larger parts. They are kept; "
                          "remove them if they are slips."),
        ([], "label.nii.gz is empty: no voxel is GTV. Draw the GTV, or put the patient under data.unlabelled."),
        ([1], "label.nii.gz marks a single voxel, which is a click and no GTV. Draw the GTV again."),
    ],
)  # fmt: skip
def test_what_is_said_of_the_parts_of_a_label(sizes, text):
    assert [reason.text for reason in check_label(np.array(sizes, int), "label.nii.gz")] == [text]


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
    told = f"{outside / 1000:.0%} of label.nii.gz lies outside the body"
    assert [reason.text for reason in reasons] == [
        f"{told}: it belongs to another CT, or was flipped. Export the label again on the CT's own grid."
        if outside > 500
        else f"{told}. Check the drawing."
    ][: len(codes)]


@pytest.mark.parametrize(("hu", "codes"), [(-931, ["label_outside_body"]), (-930, [])])
def test_lung_that_the_field_of_view_cuts_off_the_body_is_no_outer_air(hu, codes):
    mask = np.array([[[1, 1, 0]]], np.uint8)
    body = np.array([[[False, False, True]]])
    ct = np.full(mask.shape, hu, np.int16)
    assert [reason.code for reason in check_label_in_body(mask, ct, body, "label.nii.gz")] == codes
