"""The picture of a scored draft has label and draft in their own colours, on their own voxels."""

import numpy as np
from lunggtv.evaluate.picture_patient import picture_patient
from lunggtv.files import write_json
from lunggtv.volume import read_volume

from tests.unit.test_evaluate_patient import DIRECTIONS, SPACING_MM, tumour, write_draft, write_patient


def test_label_and_draft_are_drawn_as_what_they_are(tmp_path, monkeypatch):
    label, draft = tumour(), tumour(start=4, slices=5)
    volume = write_patient(tmp_path, label, DIRECTIONS["sagittal"])
    mask = write_draft(tmp_path / "7.nii.gz", volume, draft)
    record = {"patient": "7", "fold": 2, "outcome": "scored", "dice": 0.5, "hd95_mm": 5.0, "label_ml": 1.0}
    write_json(tmp_path / "7.json", record | {"prediction_ml": 2.0})
    drawn = []
    monkeypatch.setattr(
        "lunggtv.evaluate.picture_patient.draw_overlay", lambda *given: drawn.append(given) or "figure"
    )
    monkeypatch.setattr("lunggtv.evaluate.picture_patient.save_png", lambda *saved: drawn.append(saved))
    picture_patient(volume=volume, mask=mask, record=tmp_path / "7.json", picture="7.png")
    (ct, first, second, spacing_mm, title), saved = drawn
    np.testing.assert_array_equal(ct, read_volume(volume, "ingest").ct)
    np.testing.assert_array_equal(first, label)
    np.testing.assert_array_equal(second, draft)
    assert spacing_mm == SPACING_MM and saved == ("figure", "7.png")
    assert title == "Patient 7 (held out in fold 2): Dice 0.50, HD95 5.0 mm; label 1.0 ml, draft 2.0 ml"
