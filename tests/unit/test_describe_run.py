"""The report's first page says what happened, failures first, and cannot be broken by a patient's id."""

from docutils.core import publish_string
from docutils.utils import Reporter
from lunggtv.report.describe_run import READING, describe_run

OWN = [None, None, None]  # cache.spacing_mm: the patients' own
BAND = {"dice": {"low": 0.77, "high": 0.91, "mean": 0.82}, "source": "five observers"}


def statistic(mean: float) -> dict:
    return {"mean": mean, "median": mean, "ci95": [mean - 0.1, mean + 0.1]}


def page(patient: str = "7", *left: str, planned: bool = False) -> str:
    verdicts = [
        {"patient": patient, "set": "labelled", "verdict": "accepted", "reasons": "", "spacing_mm": "5 1 1"},
        {
            "patient": "new1",
            "set": "unlabelled",
            "verdict": "warned",
            "reasons": "odd",
            "spacing_mm": "3 1.2 1.2",
        },
        {
            "patient": "9",
            "set": "",
            "verdict": "excluded",
            "reasons": "moved *during* the scan",
            "spacing_mm": "",
        },
        *(
            {"patient": name, "set": "labelled", "verdict": "accepted", "reasons": "", "spacing_mm": "5 1 1"}
            for name in left
        ),
    ]
    reviews = [
        {"patient": patient, "review": "No GTV was found.", "lesions": "0"},
        {"patient": "new1", "review": "", "lesions": "2"},
    ]
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
        "strata": {
            "volume": [
                {"name": "below 10 ml", "patients": 8, "failures": 3, "metrics": {"dice": statistic(0.5)}},
                {"name": "10 ml and more", "patients": 0, "failures": 0, "metrics": {"dice": {"mean": None}}},
            ],
            "contact": [
                {"name": "within the lung", "patients": 1, "failures": 1, "metrics": {"dice": statistic(0.5)}}
            ],
        },
        "human_band": BAND,
    }
    comparison = {
        "second": f"tool {patient}",
        "metrics": {
            "dice": {
                "patients": 1, "first": {"mean": 0.5}, "second": {"mean": 0.75}, "mean_difference": -0.25,
                "ci95": [-0.4, 0.1], "wins": {"first": 0, "second": 1, "ties": 0},
            }
        },
        "failures": {"first": [patient], "second": []},
    }  # fmt: skip
    versions, weights = {"torch": "2.13.0"}, {"0": "ab" * 32}
    return describe_run(
        verdicts, reviews, summary, [comparison], [5.0, None, 1.17], versions, weights, planned=planned
    )


def test_it_counts_everybody_and_names_failures_before_numbers():
    text = page()
    assert (
        "**3 patients**: 1 with a physician's GTV, 1 without, 1 excluded by the user, 1 with warnings" in text
    )
    assert "was drafted by a model that never saw that patient, and scored on the original CT grid." in text
    assert "Each draft is a proposal: a physician reviews it. This page holds pictures of patients" in text
    assert "**Failures: 1 of 1**" in text and "patients 7." in text
    assert text.index("Failures") < text.index("Dice   ")
    assert "0.40 to 0.60" in text and "12.0 mm" in text
    assert "0.77 to 0.91" in text
    assert "7: No GTV was found." in text
    assert "abababababab" in text and "torch 2.13.0" in text


def test_it_states_the_spacing_used_and_the_one_that_the_scans_propose():
    assert "voxels of 5 x own x 1.17 mm" in page() and "propose, is 5 x 1 x 1 mm" in page()
    assert "1.17 mm (z, y, x; ``cache.spacing_mm``)" in page()
    assert "1.17 mm (z, y, x; ``results/plan.json``)" in page(planned=True)


def test_groups_of_tumours_that_have_patients_stand_in_a_table():
    lines = [line.split() for line in page().splitlines()]
    assert ["below", "10", "ml", "8", "3", "0.50", "0.40", "to", "0.60"] in lines
    assert not any(line[:4] == ["10", "ml", "and", "more"] for line in lines)


def test_it_compares_in_one_sentence():
    assert (
        "**Against tool 7**, on the same 1 patient: mean Dice 0.50 against 0.75, difference -0.25 (95 % interval -0.40 "
        "to +0.10); better in 0, worse in 1; failures 1 against 0."
    ) in page()


def test_it_is_sound_rst_whatever_a_patient_is_called():
    for patient in ("7", "a_b*c", "`x`", "|y|", "Zoë B", "{{ 7 * 7 }}"):
        strict = {"halt_level": Reporter.WARNING_LEVEL, "report_level": Reporter.WARNING_LEVEL}
        html = publish_string(page(patient), writer="html5", settings_overrides=strict).decode()
        assert "<table" in html
        assert "{{" not in html


def test_without_labels_there_are_no_scores():
    text = describe_run([], [], None, [], OWN, {"torch": "2.13.0"}, {})
    assert "Dice" not in text and "Models (first digits of their SHA-256): none." in text


def test_patients_without_any_gtv_are_all_named_first():
    reviews = [{"patient": str(n), "review": "No GTV found.", "lesions": "0"} for n in range(9)]
    text = describe_run([], reviews, None, [], OWN, {"torch": "2.13.0"}, {})
    assert "**No GTV found** in patients 0, 1, 2, 3, 4, 5, 6, 7, 8" in text
    assert text.index("No GTV found") < text.index("Review queue")


def test_the_expected_dice_comes_with_its_error_and_the_error_with_its_interval():
    quality = {
        "patients": 14, "failed": 1, "mean_absolute_error": 0.12, "mean_absolute_error_ci95": [0.08, 0.17],
        "auroc": 0.92, "auroc_ci95": None,
    }  # fmt: skip

    def said(**changes) -> str:
        return describe_run([], [], None, [], OWN, {"torch": "2.13.0"}, {}, quality | changes)

    assert "by 0.12 on average (95 % interval 0.08 to 0.17; 14 patients with a label" in said()
    told = "it tells them from the rest with an AUROC of 0.92"
    assert f"1 of them failed (Dice below 0.5); {told} (too few of them for an interval)." in said()
    assert f"4 of them failed (Dice below 0.5); {told} (95 % interval 0.80 to 1.00)." in said(
        failed=4, auroc_ci95=[0.8, 1.0]
    )
    assert "0 of them failed (Dice below 0.5), so nothing is known" in said(failed=0, auroc=None)
    assert "carry no estimate of their own quality" in describe_run(
        [], [], None, [], OWN, {"torch": "2.13.0"}, {}
    )


def test_a_patient_whose_fold_was_not_trained_is_named():
    assert "no draft" not in page()
    strict = {"halt_level": Reporter.WARNING_LEVEL, "report_level": Reporter.WARNING_LEVEL}
    text = page("7", "8_b")
    assert "- 8\\_b has no draft and no score" in text
    assert "train.run_folds" in publish_string(text, writer="html5", settings_overrides=strict).decode()


def found(mean: float, median: float, low: float, high: float) -> dict:
    return {"mean": mean, "median": median, "ci95": [low, high]}


def stratum(name: str, patients: int, failures: int, *dice: float) -> dict:
    return {"name": name, "patients": patients, "failures": failures, "metrics": {"dice": found(*dice)}}


def test_every_figure_stands_in_its_own_place():
    """A page of which no two numbers are alike, word by word."""
    kinds = (
        ("labelled", "accepted", 4),
        ("labelled", "warned", 3),
        ("unlabelled", "warned", 2),
        ("", "excluded", 1),
    )
    verdicts = [
        {"patient": f"{verdict}{set_}{n}", "set": set_, "verdict": verdict, "reasons": "moved",
         "spacing_mm": "3 1.5 1.5"}
        for set_, verdict, count in kinds for n in range(count)
    ]  # fmt: skip
    reviews = [
        {"patient": row["patient"], "review": f"Reason {n}." if n < 6 else "", "lesions": str(n % 8)}
        for n, row in enumerate(verdicts[:9])
    ]
    summary = {
        "patients": 17,
        "failures": ["c", "a"],
        "outcomes": {"missed": 3, "false_alarm": 4, "scored": 9, "both_empty": 1},
        "lesions": {"label": 21, "missed": 5, "false": 6, "found": 16},
        "metrics": {
            "dice": found(0.811, 0.822, 0.711, 0.911), "surface_dice_2mm": found(0.611, 0.622, 0.511, 0.711),
            "surface_dice_5mm": found(0.911, 0.922, 0.811, 0.961), "hd95_mm": found(11.14, 8.16, 5.12, 17.18),
            "volume_error_percent": found(-12.6, -3.4, -25.1, 6.6), "jaccard": found(0.1, 0.2, 0.3, 0.4),
            "added_path_length_mm": {"mean": None, "median": None, "ci95": None},
        },
        "strata": {
            "fold": [stratum("fold 0", 1, 1, 0, 0, 0, 0)],
            "volume": [stratum("below 5 ml", 10, 2, 0.641, 0.1, 0.551, 0.731)],
            "contact": [stratum("within the lung", 7, 0, 0.841, 0.2, 0.751, 0.931)],
        },
        "human_band": BAND,
    }  # fmt: skip
    dice = {
        "patients": 12, "first": {"mean": 0.811}, "second": {"mean": 0.755}, "mean_difference": 0.056,
        "ci95": [-0.011, 0.123], "wins": {"first": 7, "second": 4, "ties": 1},
    }  # fmt: skip
    comparison = {
        "first": "LungGTV", "second": "nnU-Net", "metrics": {"dice": dice},
        "failures": {"first": ["c", "a"], "second": ["b"]},
    }  # fmt: skip
    text = describe_run(
        verdicts, reviews, summary, [comparison], [3.0, 1.25, None], {"torch": "2.13.0", "monai": "1.6.0"},
        {"0": "0123456789abcdef" * 4, "1": "fedcba9876543210" * 4},
    )  # fmt: skip
    assert text.split("\n\n") == [
        "**10 patients**: 7 with a physician's GTV, 2 without, 1 excluded by the user, 5 with warnings. Each patient "
        "with a GTV was drafted by a model that never saw that patient, and scored on the original CT grid.",
        "- excluded0 is excluded: moved",
        "**Failures: 2 of 17** (Dice below 0.5, or nothing in common): patients c, a. 3 with nothing drawn, 4 false "
        "alarms. Of 21 separate lesions 5 were missed; drawn where there is none: 6.",
        "\n".join([
            "====================  =======  =============  ======",
            "\\                     mean     95 % interval  median",
            "====================  =======  =============  ======",
            "Dice                  0.81     0.71 to 0.91   0.82",
            "Surface Dice at 2 mm  0.61     0.51 to 0.71   0.62",
            "Surface Dice at 5 mm  0.91     0.81 to 0.96   0.92",
            "HD95                  11.1 mm  5.1 to 17.2    8.2 mm",
            "Volume error          -13 %    -25 to 7       -3 %",
            "====================  =======  =============  ======",
        ]),
        "Failures count in every number. Physicians among themselves reach a Dice of 0.77 to 0.91 (mean 0.82; five "
        "observers). Intervals are bootstrapped over 17 patients; with few patients they are wide.",
        "\n".join([
            "===============  ========  ========  =========  =============",
            "Tumours          patients  failures  mean Dice  95 % interval",
            "===============  ========  ========  =========  =============",
            "below 5 ml       10        2         0.64       0.55 to 0.73",
            "within the lung  7         0         0.84       0.75 to 0.93",
            "===============  ========  ========  =========  =============",
        ]),
        "**Against nnU-Net**, on the same 12 patients: mean Dice 0.81 against 0.76, difference +0.06 (95 % interval "
        "-0.01 to +0.12); better in 7, worse in 4; failures 2 against 1.",
        "**No GTV found** in patients acceptedlabelled0, warnedunlabelled1: look at their whole scans.",
        "**Review queue: 6 of 9 drafts** have a reason to be looked at first; the most urgent:",
        "\n".join(f"- {row['patient']}: Reason {n}." for n, row in enumerate(verdicts[:5])),
        "The drafts carry no estimate of their own quality: too few labelled patients to learn it from.",
        READING,
        "Models see voxels of 3 x 1.25 x own mm (z, y, x; ``cache.spacing_mm``); the median of the accepted scans, "
        "which they propose, is 3 x 1.5 x 1.5 mm.",
        "Made with torch 2.13.0, monai 1.6.0. Models (first digits of their SHA-256): fold 0 ``0123456789ab``, fold 1 "
        "``fedcba987654``.\n",
    ]  # fmt: skip
