"""The cohort's figures show the numbers they are given, every patient once."""

from pathlib import Path

import pytest
from lunggtv.evaluate.cohort_figures import (
    CONTACT_COLOUR,
    DISTRIBUTIONS,
    FAILURE_COLOUR,
    SMALLEST_ML,
    WITHIN_COLOUR,
    draw_calibration,
    draw_comparison,
    draw_dice_by_volume,
    draw_distributions,
)
from lunggtv.evaluate.summary import HUMAN_DICE
from matplotlib.colors import to_rgb


def record(patient, label_ml, dice, contact, outcome="scored", **more):
    return {
        "patient": patient,
        "label_ml": label_ml,
        "dice": dice,
        "contact": contact,
        "outcome": outcome,
    } | more


RECORDS = [
    record("1", 4.0, 0.0, True, "missed", hd95_mm=300.0),
    record("2", 40.0, 0.9, False, hd95_mm=2.0),
    record("3", 15.0, 0.4, False, hd95_mm=30.0),
    record("4", 0.0, 0.0, None, "false_alarm", hd95_mm=None),
    record("5", 90.0, 0.8, True, hd95_mm=0.0),
]


def luminance(colour: str) -> float:
    """Relative luminance of a colour (Web Content Accessibility Guidelines 2.1)."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_marks_are_seen_on_white():
    """Contrast of at least 3 to 1, as graphics need by the same guidelines; failures most of all."""
    contrast = [1.05 / (luminance(c) + 0.05) for c in (WITHIN_COLOUR, CONTACT_COLOUR, FAILURE_COLOUR)]
    assert min(contrast) > 3.0 and contrast[2] == max(contrast)


def points(axes):
    """Points of each plot by the first words of its legend."""
    lines = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
    return {line.get_label().split(" (")[0]: sorted(zip(*line.get_data(), strict=True)) for line in lines}


def words(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts] + [
        text.get_text() for text in figure.texts
    ]


def test_dice_by_volume():
    (axes,) = draw_dice_by_volume(RECORDS).axes
    shown = points(axes)
    assert shown["within the lung"] == [(15.0, 0.4), (40.0, 0.9)]
    assert shown["touches pleura or mediastinum"] == [(4.0, 0.0), (90.0, 0.8)]
    assert shown["empty label"] == [(SMALLEST_ML, 0.0)]
    assert shown["failure"] == [(SMALLEST_ML, 0.0), (4.0, 0.0), (15.0, 0.4)]
    assert sorted(text.get_text() for text in axes.texts) == ["1 missed", "3", "4 false alarm"]
    low, high = axes.get_xlim()
    assert low < SMALLEST_ML and high > 90.0


def test_distributions_leave_out_what_has_no_value_and_mark_failures():
    figure = draw_distributions(RECORDS)
    by_title = {axes.get_title(): axes for axes in figure.axes}
    assert list(by_title) == ["Dice", "HD95 (mm)"], "nobody has the others"
    for key, name in (("dice", "Dice"), ("hd95_mm", "HD95 (mm)")):
        good, bad = by_title[name].get_lines()[-2:]
        known = [r for r in RECORDS if r[key] is not None]
        failed = [r[key] for r in known if r["outcome"] != "scored" or r["dice"] < 0.5]
        assert sorted(bad.get_ydata()) == sorted(failed)
        assert sorted([*good.get_ydata(), *failed]) == sorted(r[key] for r in known)
    assert by_title["HD95 (mm)"].get_xlabel() == "median 16, mean 83"
    low, high = by_title["HD95 (mm)"].get_ylim()
    assert low <= 0.0 and high >= 300.0, "every patient is in sight"
    assert {key for key, _, _ in DISTRIBUTIONS} >= {"dice", "hd95_mm", "volume_error_percent"}


def test_calibration_pairs_each_draft_with_its_own_score():
    drafts = [
        {"patient": "5", "expected_dice": 0.7, "review": []},
        {"patient": "2", "expected_dice": 0.0, "review": ["Nothing drawn."]},
        {"patient": "1", "expected_dice": None, "review": []},
    ]
    (axes,) = draw_calibration(RECORDS, drafts).axes
    shown = points(axes)
    assert shown["no review flag"] == [(0.7, 0.8)] and shown["flagged for review"] == [(0.0, 0.9)]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("expected Dice", "true Dice")


def test_comparison_pairs_the_same_patients_and_orders_their_differences():
    others = [r | {"dice": dice} for r, dice in zip(RECORDS, (0.5, 0.8, 0.6, 0.0, 0.1), strict=True)]
    both, ordered = draw_comparison("LungGTV", RECORDS, "nnU-Net", others[::-1]).axes
    pairs = both.get_lines()[1]
    assert sorted(zip(*pairs.get_data(), strict=True)) == [
        (0.0, 0.0),
        (0.1, 0.8),
        (0.5, 0.0),
        (0.6, 0.4),
        (0.8, 0.9),
    ]
    assert (both.get_xlabel(), both.get_ylabel()) == ("Dice, nnU-Net", "Dice, LungGTV")
    assert [text.get_text() for text in both.texts] == ["LungGTV better", "nnU-Net better"]
    heights = [bar.get_height() for bar in ordered.patches]
    assert heights == pytest.approx([0.7, 0.1, 0.0, -0.2, -0.5])
    assert [tick.get_text() for tick in ordered.get_xticklabels()] == ["5", "2", "4", "3", "1"]


def test_one_patient_is_compared_and_none_is_told():
    assert len(draw_comparison("a", RECORDS[:1], "b", RECORDS[:1]).axes) == 2
    assert "no patients to compare" in words(draw_comparison("a", [], "b", []))
    assert "no patients were scored" in words(draw_distributions([]))
    assert "these drafts carry no estimate of their own quality" in words(draw_calibration(RECORDS, []))


def test_the_human_band_is_that_which_the_docs_cite():
    page = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")
    assert "mean pairwise Dice {low} to {high}, mean {mean}".format(**HUMAN_DICE) in page


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_legends_count_what_they_name():
    figure = draw_dice_by_volume(RECORDS)
    (axes,) = figure.axes
    assert legend(figure) == [
        "between physicians 0.77-0.91", "within the lung (2)", "touches pleura or mediastinum (2)", "empty label (1)",
        "failure (3)",
    ]  # fmt: skip
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("volume of the label (ml)", "Dice")
    (band,) = axes.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == (0.77, 0.91)
    (mean,) = [line for line in axes.get_lines() if line.get_label().startswith("_")]
    assert list(mean.get_ydata()) == [0.82, 0.82]
    drafts = [{"patient": str(n), "expected_dice": 0.5, "review": [""] * (n > 3)} for n in range(1, 6)]
    figure = draw_calibration(RECORDS, drafts)
    assert legend(figure) == ["perfect", "no review flag (3)", "flagged for review (2)"]
    assert list(figure.axes[0].get_lines()[0].get_xydata().reshape(-1)) == [0, 0, 1, 1]


def test_distributions_tell_how_to_read_them():
    figure = draw_distributions(RECORDS)
    assert figure.get_supxlabel() == (
        "5 patients; box: quartiles and median, whiskers: 5 to 95 %; x: failure (missed, false alarm, Dice below 0.5)"
        "\nno draft: distance = image diagonal; axes in mm are logarithmic above 10 mm, in % beyond 100 %"
    )
    dice, hd95 = figure.axes
    for axes, linear in ((dice, None), (hd95, 10.0)):
        assert (axes.get_yscale() == "linear") == (linear is None)
    assert hd95.yaxis.get_transform().linthresh == 10.0
    assert list(hd95.get_yticks()) == [0, 2, 5, 10, 20, 50, 100, 200]
    assert (dice.get_ylim(), hd95.get_ylim()) == ((-0.03, 1.03), pytest.approx((-0.4, 360.0)))
    good, bad = dice.get_lines()[-2:]
    assert (good.get_marker(), bad.get_marker()) == ("o", "x")
    # The box of quartiles: 0, 0, 0.4, 0.8, 0.9.
    box = dice.get_lines()[0].get_ydata()
    assert (min(box), max(box), dice.get_xlabel()) == (0.0, 0.8, "median 0.4, mean 0.42")


def test_signed_errors_are_seen_on_both_sides():
    records = [
        r | {"volume_error_percent": v} for r, v in zip(RECORDS, (-100.0, 4000.0, 0, 5, None), strict=True)
    ]
    axes = draw_distributions(records).axes[-1]
    assert axes.get_title() == "volume error (%)"
    assert list(axes.get_yticks()) == [-1000, -100, -50, 0, 50, 100, 1000]
    assert axes.get_ylim() == (-4800.0, 4800.0)


def test_a_comparison_tells_who_is_better_by_colour_too():
    others = [r | {"dice": dice} for r, dice in zip(RECORDS, (0.5, 0.8, 0.6, 0.0, 0.1), strict=True)]
    figure = draw_comparison("LungGTV", RECORDS, "nnU-Net", others)
    assert figure.get_suptitle() == "Dice of 5 patients: LungGTV and nnU-Net"
    ordered = figure.axes[1]
    assert ordered.get_ylabel() == "difference in Dice (LungGTV − nnU-Net)"
    colours = [to_rgb(bar.get_facecolor()) for bar in ordered.patches]
    assert colours == [to_rgb(WITHIN_COLOUR)] * 3 + [to_rgb(CONTACT_COLOUR)] * 2
