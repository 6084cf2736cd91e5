"""What stands above a patient's picture is what was found, in every outcome."""

import pytest
from lunggtv.evaluate.run import _title

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
    ],
)
def test_title(changes, title):
    assert _title(RECORD | changes) == title
