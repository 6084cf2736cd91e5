"""What stands above a patient's picture is what was found, in every outcome."""

import pytest
from lunggtv.evaluate import picture_draft
from lunggtv.evaluate.picture_patient import _title

RECORD = {
    "patient": "7", "fold": 0, "outcome": "scored", "dice": 0.876, "hd95_mm": 4.04,
    "label_ml": 12.34, "prediction_ml": 5.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({}, "Patient 7 (held out in fold 0): Dice 0.88, HD95 4.0 mm; label 12.3 ml, draft 5.0 ml"),
        ({"fold": None}, "Patient 7: Dice 0.88, HD95 4.0 mm; label 12.3 ml, draft 5.0 ml"),
        (
            {"outcome": "missed", "fold": 2, "prediction_ml": 0.0},
            "Patient 7 (held out in fold 2): tumour MISSED, nothing drawn; label 12.3 ml, draft 0.0 ml",
        ),
        (
            {"outcome": "false_alarm", "label_ml": 0.0},
            "Patient 7 (held out in fold 0): FALSE ALARM, the label is empty; label 0.0 ml, draft 5.0 ml",
        ),
        (
            {"outcome": "both_empty", "fold": 1, "label_ml": 0.0, "prediction_ml": 0.0},
            "Patient 7 (held out in fold 1): no tumour, nothing drawn; label 0.0 ml, draft 0.0 ml",
        ),
    ],
)
def test_title(changes, title):
    assert _title(RECORD | changes) == title


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({}, "Patient 7: draft of 3.5 ml in 1 part, expected Dice 0.61; no label to score it against"),
        (
            {"lesions": [{}, {}], "expected_dice": 0.0},
            "Patient 7: draft of 3.5 ml in 2 parts, expected Dice 0.00; no label to score it against",
        ),
        ({"expected_dice": None}, "Patient 7: draft of 3.5 ml in 1 part; no label to score it against"),
        ({"lesions": []}, "Patient 7: NO GTV FOUND"),
    ],
)
def test_title_of_a_draft_without_a_label(changes, title):
    record = {"patient": "7", "lesions": [{}], "volume_ml": 3.46, "expected_dice": 0.61}
    assert picture_draft._title(record | changes) == title
