"""The report's first page says what happened, failures first, and cannot be broken by a patient's id."""

from docutils.core import publish_string
from docutils.utils import Reporter
from lunggtv.evaluate.landing import landing_page

BAND = {"dice": {"low": 0.77, "high": 0.91, "mean": 0.82}, "source": "five observers"}


def statistic(mean: float) -> dict:
    return {"mean": mean, "median": mean, "ci95": [mean - 0.1, mean + 0.1]}


def page(patient: str = "7", *left: str) -> str:
    verdicts = [
        {"patient": patient, "set": "labelled", "verdict": "accepted", "reasons": ""},
        {"patient": "new1", "set": "unlabelled", "verdict": "warned", "reasons": "odd"},
        {"patient": "9", "set": "", "verdict": "excluded", "reasons": "moved *during* the scan"},
        *({"patient": name, "set": "labelled", "verdict": "accepted", "reasons": ""} for name in left),
    ]
    reviews = [{"patient": patient, "review": "No GTV was found."}, {"patient": "new1", "review": ""}]
    summary = {
        "patients": 1,
        "failures": [patient],
        "outcomes": {"missed": 1, "false_alarm": 0, "scored": 0, "both_empty": 0},
        "lesions": {"label": 2, "missed": 2, "false": 0},
        "metrics": {
            "dice": statistic(0.5),
            "hd95_mm": statistic(12.0),
            "volume_error_percent": statistic(-100),
        },
        "human_band": BAND,
    }
    return landing_page(verdicts, reviews, summary, {"torch": "2.13.0"}, {"0": "ab" * 32})


def test_it_counts_everybody_and_names_failures_before_numbers():
    text = page()
    assert (
        "**3 patients**: 1 with a physician's GTV, 1 without, 1 excluded by the user, 1 with warnings" in text
    )
    assert "**Failures: 1 of 1**" in text and "patients 7." in text
    assert text.index("Failures") < text.index("Dice   ")
    assert "0.40 to 0.60" in text and "12.0 mm" in text
    assert "0.77 to 0.91" in text
    assert "7: No GTV was found." in text
    assert "abababababab" in text and "torch 2.13.0" in text


def test_it_is_sound_rst_whatever_a_patient_is_called():
    for patient in ("7", "a_b*c", "`x`", "|y|", "Zoë B", "{{ 7 * 7 }}"):
        strict = {"halt_level": Reporter.WARNING_LEVEL, "report_level": Reporter.WARNING_LEVEL}
        html = publish_string(page(patient), writer="html5", settings_overrides=strict).decode()
        assert "<table" in html
        assert "{{" not in html


def test_without_labels_there_are_no_scores():
    text = landing_page([], [], None, {"torch": "2.13.0"}, {})
    assert "Dice" not in text and "Models (first digits of their SHA-256): none." in text


def test_a_patient_whose_fold_was_not_trained_is_named():
    assert "no draft" not in page()
    strict = {"halt_level": Reporter.WARNING_LEVEL, "report_level": Reporter.WARNING_LEVEL}
    text = page("7", "8_b")
    assert "- 8\\_b has no draft and no score" in text
    assert "train.run_folds" in publish_string(text, writer="html5", settings_overrides=strict).decode()
