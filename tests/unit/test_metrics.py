"""Overlap, contour, position, empty masks, the whole record: by hand, by brute force, against MONAI."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lunggtv.evaluate.chest_wall_contact import contact_share
from lunggtv.evaluate.contour import added_path, contour_pixels, pixel_mm
from lunggtv.evaluate.evaluate_settings import EvaluateSettings
from lunggtv.evaluate.metrics import centroid_mm, diagonal_mm, end_errors_slices, overlap_of
from lunggtv.evaluate.score import score_masks
from lunggtv.evaluate.surface import surface_distances, surface_of
from monai.metrics import DiceMetric, SurfaceDiceMetric

from tests.unit.mask_pairs import mask_pairs

SETTINGS = EvaluateSettings(tolerances_mm=(1.0, 2.0, 3.0, 5.0), lesion_overlap=0.1)
SPACING_MM = (5.0, 2.0, 1.0)
SHAPE = (8, 9, 10)

masks_of = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.uint8, shape, elements=st.integers(0, 1))] * 2)
)


def box(start: tuple, size: tuple, shape: tuple = SHAPE) -> np.ndarray:
    mask = np.zeros(shape, dtype=np.uint8)
    mask[tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))] = 1
    return mask


EMPTY = np.zeros(SHAPE, dtype=np.uint8)
TUMOUR = box((2, 2, 2), (3, 4, 4))  # 48 voxels of 10 mm3


def test_overlap_by_hand():
    """A copy two columns to the left shares half of 48 voxels."""
    overlap = overlap_of(TUMOUR, box((2, 2, 4), (3, 4, 4)))
    assert (overlap.label, overlap.prediction, overlap.both) == (48, 48, 24)
    assert overlap.dice == 0.5
    assert overlap.jaccard == 24 / 72
    assert overlap.sensitivity == overlap.precision == 0.5


def test_sensitivity_and_precision_tell_too_small_from_too_large():
    small = box((2, 2, 2), (3, 4, 1))
    assert overlap_of(TUMOUR, small).sensitivity == 0.25
    assert overlap_of(TUMOUR, small).precision == 1.0
    assert overlap_of(small, TUMOUR).sensitivity == 1.0
    assert overlap_of(small, TUMOUR).precision == 0.25


def test_position_and_ends_by_hand():
    """One slice more at the head, two fewer at the feet, one row to the back."""
    label, prediction = box((1, 2, 3), (4, 2, 2)), box((3, 3, 3), (3, 2, 2))
    np.testing.assert_allclose(centroid_mm(label, SPACING_MM), (2.5 * 5, 2.5 * 2, 3.5 * 1))
    assert end_errors_slices(label, prediction) == (1, -2)
    record = score_masks(label, prediction, SPACING_MM, SETTINGS)
    assert (record["cranial_error_slices"], record["cranial_error_mm"]) == (1, 5.0)
    assert (record["caudal_error_slices"], record["caudal_error_mm"]) == (-2, -10.0)
    assert record["centroid_shift_cranial_mm"] == 1.5 * 5
    assert record["centroid_shift_posterior_mm"] == 2.0
    assert record["centroid_shift_left_mm"] == 0.0
    assert record["centroid_shift_mm"] == math.hypot(7.5, 2.0)
    assert (record["label_ml"], record["prediction_ml"]) == (pytest.approx(0.16), pytest.approx(0.12))
    assert record["volume_error_ml"] == pytest.approx(-0.04)
    assert record["volume_error_percent"] == -25.0


def test_one_slice_shift_scores_the_slice_distance():
    record = score_masks(box((1, 2, 2), (4, 5, 5)), box((2, 2, 2), (4, 5, 5)), (5.0, 10.0, 10.0), SETTINGS)
    assert record["hd95_mm"] == record["hd_mm"] == 5.0
    assert record["surface_dice_5mm"] == 1.0
    assert record["surface_dice_3mm"] < 1.0
    assert record["cranial_error_mm"] == 5.0
    assert record["caudal_error_mm"] == -5.0


def test_every_lesion_is_counted_in_the_record():
    """Four lesions of which the largest is found; two false ones."""
    label = sum(box((2 * n, 0, 0), (1, 2 + 2 * (n == 2), 2)) for n in range(4)).astype(np.uint8)
    draft = box((4, 0, 0), (1, 3, 2)) | box((0, 6, 6), (1, 1, 1)) | box((2, 6, 6), (1, 1, 3))
    record = score_masks(label, draft, SPACING_MM, SETTINGS)
    counts = [record[f"lesions_{name}"] for name in ("label", "found", "missed", "false")]
    assert counts == [4, 1, 3, 2]
    found, *missed = record["lesions"]
    assert found == {"volume_ml": pytest.approx(0.08), "covered": 0.75, "dice": 12 / 14, "found": True}
    assert missed == [{"volume_ml": pytest.approx(0.04), "covered": 0.0, "dice": 0.0, "found": False}] * 3
    assert record["false_lesions_ml"] == [pytest.approx(0.03), pytest.approx(0.01)]
    none = score_masks(label, draft, SPACING_MM, EvaluateSettings((1.0,), 0.8))
    assert (none["lesions_found"], none["lesions_missed"]) == (0, 4)


def test_equal_masks_are_perfect():
    record = score_masks(TUMOUR, TUMOUR.copy(), SPACING_MM, SETTINGS)
    assert record["outcome"] == "scored"
    for key in ("dice", "jaccard", "sensitivity", "precision", "surface_dice_1mm", "surface_dice_5mm"):
        assert record[key] == 1.0
    for key in ("hd95_mm", "hd95_pooled_mm", "hd_mm", "assd_mm", "added_path_length_mm", "centroid_shift_mm"):
        assert record[key] == 0.0


def test_contour_of_a_rectangle():
    """A 4 x 4 square has 12 contour pixels; so has each slice of the block, whatever lies above it."""
    assert contour_pixels(TUMOUR).sum() == 3 * 12
    assert contour_pixels(np.ones((1, 3, 3), np.uint8)).sum() == 8


def test_added_path_by_hand():
    """The draft lacks one column: its contour leaves 4 pixels of each of 3 slices, all within one pixel."""
    path = added_path(TUMOUR, box((2, 2, 2), (3, 4, 3)))
    # Not followed: the column at x = 5 (4 pixels). At x = 4 only the corners were contour, and still are.
    assert (path.contour, path.added, path.added_1px) == (36, 12, 0)
    # Two columns fewer: the column at x = 5, and the corner pixels at x = 4, now outside.
    path = added_path(TUMOUR, box((2, 2, 2), (3, 4, 2)))
    assert (path.contour, path.added, path.added_1px) == (36, 3 * 6, 3 * 4)
    record = score_masks(TUMOUR, box((2, 2, 2), (3, 4, 3)), SPACING_MM, SETTINGS)
    assert record["added_path_length_mm"] == pytest.approx(12 * math.sqrt(2.0))
    assert record["added_path_share"] == 12 / 36
    record = score_masks(TUMOUR, box((2, 2, 2), (3, 4, 2)), SPACING_MM, SETTINGS)
    found = [record[f"added_path_{name}"] for name in ("length_mm", "length_1px_mm", "share", "share_1px")]
    assert found == pytest.approx([18 * math.sqrt(2.0), 12 * math.sqrt(2.0), 18 / 36, 12 / 36])
    assert record["label_contour_mm"] == pytest.approx(36 * math.sqrt(2.0))
    assert pixel_mm((5.0, 1.17, 1.17)) == pytest.approx(1.17)


def test_a_slice_that_was_not_drawn_is_all_added():
    path = added_path(TUMOUR, box((2, 2, 2), (2, 4, 4)))
    assert (path.added, path.added_1px) == (12, 12)


@settings(max_examples=60, deadline=None)
@given(masks_of)
def test_added_path_equals_brute_force(masks):
    label, prediction = masks

    def contour(mask, z, y, x):
        inside = lambda v, u: 0 <= v < mask.shape[1] and 0 <= u < mask.shape[2] and mask[z, v, u]  # noqa: E731
        steps = ((1, 0), (-1, 0), (0, 1), (0, -1))
        return bool(mask[z, y, x]) and not all(inside(y + dy, x + dx) for dy, dx in steps)

    indices = list(np.ndindex(label.shape))
    wanted = [i for i in indices if contour(label, *i)]
    drawn = {i for i in indices if contour(prediction, *i)}
    near = {(z, y + dy, x + dx) for z, y, x in drawn for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
    path = added_path(label, prediction)
    assert path.contour == len(wanted)
    assert path.added == sum(i not in drawn for i in wanted)
    assert path.added_1px == sum(i not in near for i in wanted)


def test_a_missed_tumour_has_the_worst_value_of_everything():
    record = score_masks(TUMOUR, EMPTY, SPACING_MM, SETTINGS)
    diagonal = math.sqrt((8 * 5) ** 2 + (9 * 2) ** 2 + (10 * 1) ** 2)
    assert record["outcome"] == "missed"
    assert record["diagonal_mm"] == diagonal_mm(SHAPE, SPACING_MM) == pytest.approx(diagonal)
    for key in ("dice", "jaccard", "sensitivity", "precision", "surface_dice_1mm", "surface_dice_5mm"):
        assert record[key] == 0.0
    for key in ("hd95_mm", "hd95_pooled_mm", "hd_mm", "assd_mm", "median_surface_distance_mm"):
        assert record[key] == record["diagonal_mm"]
    assert record["centroid_shift_mm"] == record["diagonal_mm"]
    assert record["added_path_share"] == record["added_path_share_1px"] == 1.0
    assert record["added_path_length_mm"] == record["label_contour_mm"] > 0
    assert record["volume_error_percent"] == -100.0
    assert set(record) == set(score_masks(TUMOUR, TUMOUR, SPACING_MM, SETTINGS)), "no column is missing"
    assert {key for key, value in record.items() if value is None} == {
        "centroid_shift_cranial_mm", "centroid_shift_posterior_mm", "centroid_shift_left_mm", "cranial_error_slices",
        "cranial_error_mm", "caudal_error_slices", "caudal_error_mm",
    }  # fmt: skip
    assert (record["lesions_label"], record["lesions_found"], record["lesions_missed"]) == (1, 0, 1)


def test_a_false_alarm_has_the_worst_value_too():
    record = score_masks(EMPTY, TUMOUR, SPACING_MM, SETTINGS)
    assert record["outcome"] == "false_alarm"
    assert record["dice"] == record["precision"] == record["sensitivity"] == record["surface_dice_5mm"] == 0.0
    assert record["hd95_mm"] == record["assd_mm"] == record["diagonal_mm"]
    # There is nothing to add, but all of the draft's contour has to be erased.
    assert record["added_path_length_mm"] == pytest.approx(36 * math.sqrt(2.0))
    assert record["added_path_share"] == 1.0
    assert record["label_contour_mm"] == 0.0
    assert record["volume_error_percent"] is None
    assert record["volume_error_ml"] == pytest.approx(0.48)
    assert record["lesions_false"] == 1


def test_nothing_to_find_and_nothing_drawn_is_right():
    record = score_masks(EMPTY, EMPTY.copy(), SPACING_MM, SETTINGS)
    assert record["outcome"] == "both_empty"
    assert record["dice"] == record["sensitivity"] == record["surface_dice_1mm"] == 1.0
    assert record["hd95_mm"] == record["added_path_length_mm"] == record["added_path_share"] == 0.0
    assert record["volume_error_percent"] == 0.0


def test_a_draft_beside_the_tumour_is_scored_by_its_distance():
    record = score_masks(box((0, 0, 0), (1, 1, 1)), box((0, 0, 9), (1, 1, 1)), SPACING_MM, SETTINGS)
    assert record["outcome"] == "scored"
    assert record["dice"] == 0.0
    assert record["hd_mm"] == 9.0 < record["diagonal_mm"]


@settings(max_examples=60, deadline=None)
@given(masks_of, st.sampled_from([(5.0, 1.17, 1.17), (1.0, 1.0, 1.0), (0.5, 3.0, 2.0)]))
def test_every_number_is_finite_and_within_its_range(masks, spacing_mm):
    record = score_masks(*masks, spacing_mm, SETTINGS)
    numbers = [v for v in record.values() if isinstance(v, int | float)]
    assert all(math.isfinite(value) for value in numbers)
    for key in ("dice", "jaccard", "sensitivity", "precision", "added_path_share", "surface_dice_2mm"):
        assert 0.0 <= record[key] <= 1.0
    assert 0 <= record["assd_mm"] <= record["hd_mm"] <= record["diagonal_mm"]
    assert record["median_surface_distance_mm"] <= record["hd95_pooled_mm"] <= record["hd_mm"]
    shares = [record[f"surface_dice_{mm}mm"] for mm in (1, 2, 3, 5)]
    assert shares == sorted(shares)
    swapped = score_masks(masks[1], masks[0], spacing_mm, SETTINGS)
    for key in ("dice", "hd95_mm", "hd95_pooled_mm", "assd_mm"):
        assert swapped[key] == pytest.approx(record[key], abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(masks_of, st.integers(0, 3), st.integers(0, 3))
def test_scores_do_not_depend_on_where_the_tumour_lies(masks, before, after):
    """All is computed in the masks' box; only the diagonal knows the image."""
    assume(masks[0].any() and masks[1].any())
    padded = [np.pad(mask, ((before, after), (after, before), (0, before))) for mask in masks]
    record = score_masks(*masks, SPACING_MM, SETTINGS)
    moved = score_masks(*padded, SPACING_MM, SETTINGS)
    for key in record.keys() - {"diagonal_mm", "lesions", "false_lesions_ml"}:
        assert moved[key] == pytest.approx(record[key], abs=1e-9), key


@settings(max_examples=60, deadline=None)
@given(mask_pairs(), st.sampled_from([(5.0, 1.17, 1.17), (1.0, 1.0, 1.0), (2.0, 0.9, 0.9)]))
def test_equal_to_monai_where_it_defines_the_same(masks, spacing_mm):
    """Dice, and the surface Dice with subvoxels; MONAI computes in float32."""
    record = score_masks(*masks, spacing_mm, SETTINGS)
    label, prediction = (torch.from_numpy(mask)[None, None] for mask in masks)
    assert record["dice"] == pytest.approx(DiceMetric()(prediction, label).item(), abs=1e-6)
    for tolerance_mm in (1.0, 3.0):
        metric = SurfaceDiceMetric([tolerance_mm], include_background=True, use_subvoxels=True)
        expected = metric(prediction, label, spacing=list(spacing_mm)).item()
        assert record[f"surface_dice_{tolerance_mm:g}mm"] == pytest.approx(expected, abs=1e-5)


@given(mask_pairs())
def test_dice_and_jaccard_are_nnunets(masks):
    """The formulas of nnU-Net v2, written out here, as it is too heavy to install for tests.

    evaluate_predictions.compute_metrics has 2 TP / (2 TP + FP + FN) and TP / (TP + FP + FN).
    """
    label, prediction = (mask.astype(bool) for mask in masks)
    tp, fp, fn = ((a & b).sum() for a, b in ((label, prediction), (~label, prediction), (label, ~prediction)))
    record = score_masks(*masks, SPACING_MM, SETTINGS)
    assert record["dice"] == pytest.approx(2 * tp / (2 * tp + fp + fn), abs=1e-12)
    assert record["jaccard"] == pytest.approx(tp / (tp + fp + fn), abs=1e-12)
    assert record["sensitivity"] == pytest.approx(tp / (tp + fn), abs=1e-12)
    assert record["precision"] == pytest.approx(tp / (tp + fp), abs=1e-12)


def test_masks_must_be_uint8_on_one_grid():
    with pytest.raises(ValueError, match="prediction is bool"):
        score_masks(TUMOUR, TUMOUR > 0, SPACING_MM, SETTINGS)
    with pytest.raises(ValueError, match="needed is uint8"):
        score_masks(TUMOUR, TUMOUR[1:], SPACING_MM, SETTINGS)


def test_contact_with_the_wall_and_without():
    """A ball of 10 mm radius in lung; the wall begins 1 voxel or 15 mm beside it; a vessel does not count."""
    spacing_mm = (2.0, 2.0, 2.0)
    z, y, x = np.ogrid[0:40, 0:40, 0:40]
    ball = (((z - 20) ** 2 + (y - 20) ** 2 + (x - 20) ** 2) <= 25).astype(np.uint8)
    lung = np.full((40, 40, 40), -800, dtype=np.int16)
    lung[ball > 0] = 40
    vessel = lung.copy()
    vessel[19:22, 19:22, :] = 40
    wall_near, wall_far = lung.copy(), lung.copy()
    wall_near[:, :, 24:] = 40
    wall_far[:, :, 33:] = 40
    assert contact_share(lung, ball, spacing_mm) == 0.0
    assert contact_share(vessel, ball, spacing_mm) == 0.0
    assert contact_share(wall_far, ball, spacing_mm) == 0.0
    assert contact_share(wall_near, ball, spacing_mm) > 0.1
    assert contact_share(lung, np.zeros_like(ball), spacing_mm) is None


def test_what_is_thick_and_solid_at_the_limits():
    """A plate beside the same ball, of four voxels of 2 mm or of five; the wall begins above -300 HU."""
    spacing_mm = (2.0, 2.0, 2.0)
    z, y, x = np.ogrid[0:40, 0:40, 0:40]
    ball = (((z - 20) ** 2 + (y - 20) ** 2 + (x - 20) ** 2) <= 25).astype(np.uint8)
    for columns, hu, touches in (
        (slice(26, 30), 40, False),
        (slice(26, 31), 40, True),
        (slice(26, 40), -299, True),
        (slice(26, 40), -300, False),
    ):
        ct = np.full((40, 40, 40), -800, dtype=np.int16)
        ct[..., columns] = hu
        assert (contact_share(ct, ball, spacing_mm) > 0) == touches, (columns, hu)


def test_each_percentile_stands_under_its_own_name():
    """A draft that rises from the label like stairs: no two percentiles are alike."""
    label = box((0, 0, 0), (2, 12, 60), (70, 12, 60))
    draft = label.copy()
    for x in range(60):
        draft[: 2 + x, :, x] = 1
    record = score_masks(label, draft, (1.0, 1.0, 1.0), SETTINGS)
    d = surface_distances(
        surface_of(label, (1.0, 1.0, 1.0)), surface_of(draft, (1.0, 1.0, 1.0)), (1.0, 1.0, 1.0)
    )
    each = [(d.label_mm, d.label_areas_mm2), (d.prediction_mm, d.prediction_areas_mm2)]
    pooled = [np.concatenate(parts) for parts in zip(*each, strict=True)]

    def percentile(distances_mm, areas_mm2, share):
        """The smallest distance that covers this share of the area."""
        return min(x for x in distances_mm if areas_mm2[distances_mm <= x].sum() >= share * areas_mm2.sum())

    hd95, hd90 = (max(percentile(*one, share) for one in each) for share in (0.95, 0.9))
    assert record["hd95_mm"] == hd95 > hd90
    assert record["hd95_pooled_mm"] == percentile(*pooled, 0.95) > percentile(*pooled, 0.9)
    assert record["median_surface_distance_mm"] == percentile(*pooled, 0.5) < percentile(*pooled, 0.55)
    assert record["hd_mm"] == max(one[0].max() for one in each) > hd95


@pytest.mark.parametrize(
    ("moved", "key"), [((1, 0, 0), "cranial"), ((0, 1, 0), "posterior"), ((0, 0, 1), "left")]
)
def test_a_shift_is_told_with_its_direction(moved, key):
    """A draft beyond the label in LPS is above 0; the label beyond the draft is below."""
    label, prediction = box((1, 2, 3), (3, 2, 2)), box(tuple(np.add((1, 2, 3), moved)), (3, 2, 2))
    expected = dict.fromkeys(("cranial", "posterior", "left"), 0.0) | {key: float(np.dot(moved, SPACING_MM))}
    for one, other, sign in ((label, prediction, 1.0), (prediction, label, -1.0)):
        record = score_masks(one, other, SPACING_MM, SETTINGS)
        found = {name: record[f"centroid_shift_{name}_mm"] for name in expected}
        assert found == {name: sign * shift for name, shift in expected.items()}
