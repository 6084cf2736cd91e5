"""The model card of a package: each figure in its own row, and what the drafts are not for."""

from lunggtv.package.model_card import describe_models
from lunggtv.version import VERSION

LESSON = {"expected_dice": None, "patients": 2, "smallest_lesion_ml": 0.0, "threshold": 0.5}
FIRST = {
    "architecture": {"name": "residual_encoder", "patch_shape": [32, 96, 128]}, "spacing_mm": [5.0, 1.25, 1.5],
    "steps": 700, "versions": {"torch": "2.13.0", "monai": "1.6.0"},
}  # fmt: skip


def test_the_card_says_how_far_the_expected_dice_can_be_trusted():
    calibration = {"all": LESSON, "curve": {"mean_dice": [0.7], "thresholds": [0.5]}}
    quality = {
        "patients": 14, "failed": 2, "mean_absolute_error": 0.1, "mean_absolute_error_ci95": [0.05, 0.2],
        "auroc": 0.9, "auroc_ci95": None,
    }  # fmt: skip

    def card(**changes) -> str:
        return describe_models([FIRST], calibration | {"quality": quality | changes})

    assert "0.100 (95 % interval 0.050 to 0.200, 14 patients)" in card()
    assert "AUROC 0.90 (too few for an interval; 2 of 14 failed)" in card()
    assert "AUROC 0.90 (95 % interval 0.75 to 1.00; 4 of 14 failed)" in card(failed=4, auroc_ci95=[0.75, 1])
    assert "unknown: 0 of 14 failed" in card(failed=0, auroc=None)
    assert "AUROC 0.00 (too few" in card(auroc=0.0), "the worst is known, too"


def test_the_card_names_all_weights_that_folds_began_from_once_each():
    calibration = {"all": LESSON, "curve": {"mean_dice": [0.7], "thresholds": [0.5]}, "quality": None}
    cards = [
        FIRST | {"start": {"weights_sha256": digest * 8}} for digest in ("c0ffee12", "beefed34", "c0ffee12")
    ]
    text = describe_models([*cards, FIRST], calibration)
    assert "| Began from weights (SHA-256) | beefed34beef, c0ffee12c0ff |" in text
    assert "Began from" not in describe_models([FIRST], calibration)


def test_the_card_has_each_figure_in_its_own_row():
    calibration = {
        "all": LESSON | {"threshold": 0.42, "smallest_lesion_ml": 0.2, "patients": 41},
        "curve": {"mean_dice": [0.611, 0.722, 0.833], "thresholds": [0.35, 0.4, 0.45]},
        "quality": {
            "patients": 39, "failed": 5, "mean_absolute_error": 0.1, "mean_absolute_error_ci95": [0.05, 0.2],
            "auroc": 0.9, "auroc_ci95": [0.8, 0.97],
        },
    }  # fmt: skip
    text = describe_models([FIRST, {}, {}], calibration)
    assert text.startswith("# LungGTV model package\n\nDraws a draft of the gross tumour volume (GTV)")
    for words in (
        "reviewed and corrected by a physician before any use.**", "not a medical device", "no knowledge of PET",
        "cannot tell tumour from collapsed lung", "may be drawn wrongly without a warning",
    ):  # fmt: skip
        assert words in text
    assert [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")] == [
        [""],
        ["Software", f"LungGTV {VERSION}"],
        ["Models", "3, averaged"],
        ["Network", "residual_encoder, patch 32 x 96 x 128 voxels"],
        ["Voxels (z, y, x)", "5 x 1.25 x 1.5 mm"],
        ["Steps of training", "700"],
        ["Labelled patients", "41"],
        ["Mean Dice out of fold", "0.722 at probability 0.4, on the cache's voxels"],
        ["Drawn from probability", "0.42"],
        ["Parts dropped below", "0.2 ml"],
        ["Error of the expected Dice", "0.100 (95 % interval 0.050 to 0.200, 39 patients)"],
        [
            "Tells failed drafts (Dice below 0.5) from others",
            "AUROC 0.90 (95 % interval 0.80 to 0.97; 5 of 39 failed)",
        ],
        ["Trained with", "monai 1.6.0, torch 2.13.0"],
    ]
