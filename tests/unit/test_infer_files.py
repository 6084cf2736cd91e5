"""Drafts, calibration and review queue on files: what is written, and that it repeats byte by byte."""

import json
import logging
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lunggtv.errors import CohortError, DamagedFile
from lunggtv.files import file_digest, read_json, write_json
from lunggtv.geometry import Grid, Orientation
from lunggtv.image_files import read_image
from lunggtv.infer.calibrate_drafts import LabelledFiles, calibrate_drafts
from lunggtv.infer.collect_reviews import collect_reviews
from lunggtv.infer.draft_quality import measure_quality
from lunggtv.infer.expected_dice import ExpectedDice, fit_expected_dice
from lunggtv.infer.infer_patient import infer_patient
from lunggtv.infer.infer_settings import DrawingSettings
from lunggtv.infer.prediction_file import read_prediction
from lunggtv.infer.uncertainty import measure_uncertainty
from lunggtv.resampling import paste_box, resample_mask
from lunggtv.tables import read_tsv
from lunggtv.volume import read_volume
from scipy import ndimage

from tests.unit.infer_files import (
    BOX_SHAPE,
    BOX_START,
    ORIGINAL,
    write_cache,
    write_predicted,
)

FREE = DrawingSettings(None, None)
QUALITY = {"patients": 4, "mean_absolute_error": 0.2, "mean_absolute_error_ci95": [0.1, 0.3]}
LESSON = {"expected_dice": None, "patients": 4, "smallest_lesion_ml": 0.0, "threshold": 0.5}


def ball(centre=(6, 12, 15), radius=4.0, shape=ORIGINAL.shape) -> np.ndarray:
    """A ball in voxels on the scan."""
    axes = np.meshgrid(*[np.arange(n) - c for n, c in zip(shape, centre, strict=True)], indexing="ij")
    return (sum(axis**2 for axis in axes) <= radius**2).astype(np.uint8)


@pytest.fixture
def calibration(tmp_path) -> Path:
    write_json(
        tmp_path / "calibration.json",
        {
            "all": LESSON,
            "folds": {"0": LESSON | {"threshold": 0.25}, "1": LESSON | {"threshold": 0.75}},
            "quality": QUALITY,
        },
    )
    return tmp_path / "calibration.json"


def test_a_damaged_prediction_says_how_to_mend_it(tmp_path):
    write_predicted(tmp_path / "p.h5", write_cache(tmp_path / "cache.h5", "p"), np.zeros((10, 15, 19)))
    content = (tmp_path / "p.h5").read_bytes()
    (tmp_path / "p.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFile, match="Delete the file"):
        read_prediction(tmp_path / "p.h5")


def test_a_prediction_of_another_layout_is_not_read(tmp_path, monkeypatch):
    with monkeypatch.context() as other:
        other.setattr("lunggtv.infer.prediction_file.SCHEMA", 1)
        write_predicted(tmp_path / "p.h5", write_cache(tmp_path / "c.h5", "p"), np.zeros((10, 15, 19)))
    with pytest.raises(DamagedFile, match=r"p\.h5: cannot be read \(schema 1, not 2\)\. Delete the file"):
        read_prediction(tmp_path / "p.h5")


# The draft

TURNS = st.builds(Orientation, st.permutations((0, 1, 2)).map(tuple), st.tuples(*[st.booleans()] * 3))


@settings(max_examples=15, deadline=None)
@given(turn=TURNS)
def test_a_perfect_prediction_comes_back_on_the_stored_grid_as_the_cache_allows(tmp_path_factory, turn):
    folder = tmp_path_factory.mktemp("turn")
    # A scan whose stored axes are any flip and permutation of the patient's.
    stored = stored_grid(turn)
    volume = write_cache(folder / "cache.h5", "p", ball(), stored)
    scan = Grid.from_dict(volume.metadata["ingested"])
    write_predicted(folder / "p.h5", volume, volume.label)
    write_json(folder / "calibration.json", {"all": LESSON, "folds": {}, "quality": None})
    infer_patient(
        prediction_path=folder / "p.h5",
        calibration_path=folder / "calibration.json",
        fold=None,
        review_dice=0.7,
        mask_path=folder / "gtv.nii.gz",
        json_path=folder / "i.json",
    )
    mask, grid = read_image(folder / "gtv.nii.gz")
    assert grid == stored
    box = scan.cropped(BOX_START, BOX_SHAPE)
    back = paste_box(resample_mask(volume.label, volume.grid, box), BOX_START, scan.shape, 0)
    orientation = Orientation.from_dict(volume.metadata["orientation"])
    assert np.array_equal(mask, orientation.undo(back))
    assert 2 * int((orientation.apply(mask) & ball()).sum()) / int(mask.sum() + ball().sum()) > 0.9


def stored_grid(turn: Orientation) -> Grid:
    """The grid that ``turn`` makes into ``ORIGINAL``'s shape and spacing; origin in whole millimetres."""
    inverse = tuple(int(a) for a in np.argsort(turn.permutation))
    columns = np.zeros((3, 3))
    for new_axis, (old_axis, flipped) in enumerate(zip(turn.permutation, turn.flips, strict=True)):
        columns[2 - new_axis, 2 - old_axis] = -1.0 if flipped else 1.0
    return Grid(
        tuple(ORIGINAL.shape[a] for a in inverse),
        tuple(ORIGINAL.spacing_mm[a] for a in inverse),
        (-20.0, -30.0, 40.0),
        tuple(float(v) + 0.0 for v in columns.reshape(-1)),
    )


def test_ends_of_the_box_are_named_by_the_patient_whatever_axes_the_file_has(tmp_path, calibration):
    volume = write_cache(
        tmp_path / "c.h5", "p", ball(), stored_grid(Orientation((1, 2, 0), (True, False, True)))
    )
    write_predicted(tmp_path / "p.h5", volume, np.ones(volume.ct.shape))
    infer_patient(
        prediction_path=tmp_path / "p.h5",
        calibration_path=calibration,
        fold=None,
        review_dice=0.7,
        mask_path=tmp_path / "gtv.nii.gz",
        json_path=tmp_path / "i.json",
    )
    (text,) = [text for text in read_json(tmp_path / "i.json")["review"] if "end of the lung box" in text]
    assert "caudal, cranial, anterior, posterior, right, left" in text


def draft(tmp_path, calibration, fold=None, probability=None, height=0.5, **metadata) -> dict:
    volume = write_cache(tmp_path / "cache.h5", "p", ball(), **metadata)
    probability = height * volume.label if probability is None else probability
    write_predicted(tmp_path / "p.h5", volume, probability)
    infer_patient(
        prediction_path=tmp_path / "p.h5", calibration_path=calibration, fold=fold, review_dice=0.7,
        mask_path=tmp_path / "gtv.nii.gz", json_path=tmp_path / "infer.json",
        probability_path=tmp_path / "probability.nii.gz",
    )  # fmt: skip
    return read_json(tmp_path / "infer.json")


def test_record_has_the_keys_of_the_contract_and_the_volume_of_the_mask(tmp_path, calibration):
    record = draft(tmp_path, calibration)
    assert record.keys() >= {
        "patient", "models", "volume_ml", "lesions", "threshold", "uncertainty", "expected_dice", "review",
        "cache_sha256", "calibration_sha256",
    }  # fmt: skip
    mask, _ = read_image(tmp_path / "gtv.nii.gz")
    assert set(np.unique(mask)) == {0, 1}
    assert record["volume_ml"] == pytest.approx(mask.sum() * ORIGINAL.voxel_ml)
    assert record["expected_dice_quality"] == QUALITY, "an estimate goes with its measured error"
    (lesion,) = record["lesions"]
    assert lesion["volume_ml"] == record["volume_ml"]
    # The ball's centre is voxel (6, 12, 15); half a voxel of the cache is the resampling's.
    assert lesion["centroid_mm"] == pytest.approx((-20 + 15 * 1.25, -30 + 12 * 1.5, 40 + 6 * 5), abs=1.0)
    percent, _ = read_image(tmp_path / "probability.nii.gz")
    assert percent.max() == 50
    assert json.dumps(record)  # plain types


def test_every_number_of_the_record_is_its_own(tmp_path, caplog):
    """Drawn from 0.4 on by two models; a part of four voxels of the cache, 0.064 ml, is dropped."""
    volume = write_cache(tmp_path / "cache.h5", "p", ball())
    probability = 0.9 * volume.label.astype(np.float32)
    probability[1, 1:3, 1:3] = 1.0
    write_predicted(tmp_path / "p.h5", volume, probability, 0.8 * probability)
    lesson = LESSON | {"threshold": 0.4, "smallest_lesion_ml": 0.3}
    write_json(tmp_path / "l.json", {"all": LESSON, "folds": {"2": lesson}, "quality": QUALITY})
    with caplog.at_level(logging.INFO):
        infer_patient(
            prediction_path=tmp_path / "p.h5", calibration_path=tmp_path / "l.json", fold=2, review_dice=0.7,
            mask_path=tmp_path / "gtv.nii.gz", json_path=tmp_path / "infer.json",
        )  # fmt: skip
    record = read_json(tmp_path / "infer.json")
    mask, _ = read_image(tmp_path / "gtv.nii.gz")
    prediction = read_prediction(tmp_path / "p.h5")
    found = asdict(measure_uncertainty(prediction.probabilities, prediction.mean, 0.4))
    (lesion,) = record.pop("lesions")
    assert record.pop("dropped_ml") == pytest.approx(0.064, abs=0.02)
    assert record == {
        "cache_sha256": "c" * 64, "calibration_sha256": file_digest(tmp_path / "l.json"), "expected_dice": None,
        "expected_dice_quality": QUALITY, "patient": "p", "review": [], "smallest_lesion_ml": 0.3, "threshold": 0.4,
        "models": [{"fold": k, "name": f"fold{k}", "weights_sha256": f"{k:064d}"} for k in (0, 1)],
        "uncertainty": pytest.approx(found, abs=1e-6), "volume_ml": pytest.approx(mask.sum() * ORIGINAL.voxel_ml),
    }  # fmt: skip
    assert lesion["extent_mm"] == pytest.approx((8 * 1.25, 8 * 1.5, 8 * 5), abs=5.0)
    assert f"Patient p: {record['volume_ml']:.2f} ml in 1 parts." in caplog.text


def test_every_part_stands_in_the_record_with_its_own_volume_and_place(tmp_path, calibration):
    volume = write_cache(tmp_path / "cache.h5", "p")
    probability = np.zeros(volume.ct.shape, np.float32)
    starts, widths = [(8, 1, 2), (1, 1, 2), (1, 10, 12), (5, 1, 12), (5, 10, 2)], (2, 6, 5, 3, 4)
    for (z, y, x), width in zip(starts, widths, strict=True):
        probability[z, y : y + 4, x : x + width] = 0.9
    record = draft(tmp_path, calibration, probability=probability)
    volumes = [lesion["volume_ml"] for lesion in record["lesions"]]
    assert volumes == sorted(volumes, reverse=True) and len(set(volumes)) == 5
    assert sum(volumes) == pytest.approx(record["volume_ml"], abs=1e-5)
    assert "The draft has 5 separate parts." in record["review"]
    for lesion, place in zip(record["lesions"], (1, 2, 4, 3, 0), strict=True):
        middle = np.add(starts[place], (0, 1.5, (widths[place] - 1) / 2))
        assert lesion["centroid_mm"] == pytest.approx(tuple(volume.grid.point_mm(middle)), abs=0.7)


def test_a_labelled_patient_is_drawn_as_the_other_folds_teach(tmp_path, calibration):
    assert draft(tmp_path, calibration, fold=0)["threshold"] == 0.25
    assert draft(tmp_path, calibration, fold=0)["volume_ml"] > 0
    assert draft(tmp_path, calibration, fold=1)["volume_ml"] == 0
    assert draft(tmp_path, calibration, fold=None)["threshold"] == 0.5


@pytest.mark.parametrize(("fold", "expected"), [(0, 0.62), (1, 0.81), (None, 0.5)])
def test_a_draft_tells_the_expected_dice_that_its_own_lesson_gives_it(tmp_path, fold, expected):
    def lesson(mean_dice):
        known = ExpectedDice(("certainty", "soft_dice"), mean_dice, (0.0, 0.0), (0.0, 0.0), (1.0, 1.0), 9)
        return LESSON | {"expected_dice": asdict(known)}

    lessons = {"all": lesson(0.5), "folds": {"0": lesson(0.62), "1": lesson(0.81)}, "quality": QUALITY}
    write_json(tmp_path / "lessons.json", lessons)
    record = draft(tmp_path, tmp_path / "lessons.json", fold=fold, height=0.95)
    assert record["expected_dice"] == pytest.approx(expected)
    nothing = draft(tmp_path, tmp_path / "lessons.json", fold=fold, height=0.0)
    assert nothing["expected_dice"] == 0.0, "of nothing drawn none is expected"
    told = [text for text in record["review"] if "expected Dice" in text]
    assert told == ([] if expected >= 0.7 else [f"The expected Dice is {expected:.2f}, below 0.70."])


def test_probabilities_come_back_to_a_hundred_thousandth(tmp_path):
    volume = write_cache(tmp_path / "cache.h5", "p")
    rising = np.linspace(0, 1, volume.ct.size, dtype=np.float32).reshape(volume.ct.shape)
    write_predicted(tmp_path / "p.h5", volume, rising, 1 - rising, rising)
    found = read_prediction(tmp_path / "p.h5")
    assert np.abs(found.probabilities[:, 0] - [rising, 1 - rising, rising]).max() < 1e-5
    assert np.abs(found.mean - (1 + rising) / 3).max() < 1e-5
    # As drafts are drawn: a voxel at the threshold itself is on the same side for all.
    assert found.mean.dtype == found.probabilities.dtype == np.float32
    assert (found.probabilities.min(), found.probabilities.max()) == (0.0, 1.0)


def test_no_gtv_is_said_aloud(tmp_path, calibration, caplog):
    with caplog.at_level(logging.WARNING):
        record = draft(tmp_path, calibration, probability=np.full((10, 15, 19), 0.2))
    assert record["lesions"] == []
    assert record["volume_ml"] == 0
    assert record["expected_dice"] is None
    assert record["review"][0].startswith("No GTV found (highest probability 0.20, drawn from 0.50)")
    assert "Patient p: No GTV found" in caplog.text
    mask, _ = read_image(tmp_path / "gtv.nii.gz")
    assert not mask.any()


def test_a_body_box_is_a_reason(tmp_path, calibration):
    assert draft(tmp_path, calibration, height=0.95)["review"] == []
    assert "No plausible lungs" in draft(tmp_path, calibration, height=0.95, fallback=True)["review"][0]


def test_all_outputs_repeat_byte_by_byte(tmp_path, calibration):
    names = ("gtv.nii.gz", "infer.json", "probability.nii.gz")
    draft(tmp_path, calibration)
    first = [(tmp_path / name).read_bytes() for name in names]
    draft(tmp_path, calibration)
    assert [(tmp_path / name).read_bytes() for name in names] == first


# Calibration


def labelled_cohort(folder: Path, count: int = 12, changed: str | None = None) -> dict[str, LabelledFiles]:
    """Patients whose tumour has probability 0.41 to 0.48; one may have another label."""
    patients = {}
    rng = np.random.default_rng(3)
    for i in range(count):
        patient = str(i + 1)
        label = ball(radius=3.0 + i % 3)
        height = 0.41 + 0.07 * (i % 6) / 5
        if patient == changed:
            label = ball(centre=(4, 6, 8), radius=2.0)
        volume = write_cache(folder / patient / "cache.h5", patient, label)
        blurred = np.maximum(height * volume.label, 0.3 * rng.random(volume.label.shape))
        write_predicted(folder / patient / "p.h5", volume, blurred)
        patients[patient] = LabelledFiles(
            fold=i % 3, prediction=folder / patient / "p.h5", cache=folder / patient / "cache.h5"
        )
    return patients


def test_threshold_that_separates_is_found(tmp_path):
    patients = labelled_cohort(tmp_path)
    calibrate_drafts(patients, FREE, tmp_path / "calibration.json")
    found = read_json(tmp_path / "calibration.json")
    # Tumours have at least 0.41, the rest at most 0.3; 0.4 is the nearest to one half between.
    assert found["all"]["threshold"] == 0.4
    assert {lesson["threshold"] for lesson in found["folds"].values()} == {0.4}
    assert [row["dice"] for row in found["patients"]] == [1.0] * 12
    assert found["curve"]["mean_dice"][found["curve"]["thresholds"].index(0.4)] == 1.0
    for threshold in (0.2, 0.45):
        mean = np.mean(
            [dice_of(read_prediction(own.prediction), own, threshold) for own in patients.values()]
        )
        assert found["curve"]["mean_dice"][found["curve"]["thresholds"].index(threshold)] == pytest.approx(
            mean, abs=1e-6
        )
    assert found["quality"]["patients"] == 12
    assert found["all"]["patients"] == 12
    assert {fold: lesson["patients"] for fold, lesson in found["folds"].items()} == {"0": 8, "1": 8, "2": 8}
    assert [(row["patient"], row["fold"]) for row in found["patients"]] == [
        (str(n + 1), n % 3) for n in range(12)
    ]


def test_fixed_settings_are_taken_as_they_are(tmp_path):
    calibrate_drafts(labelled_cohort(tmp_path), DrawingSettings(0.6, 2.0), tmp_path / "calibration.json")
    found = read_json(tmp_path / "calibration.json")
    for lesson in (found["all"], *found["folds"].values()):
        assert (lesson["threshold"], lesson["smallest_lesion_ml"]) == (0.6, 2.0)


def test_a_smallest_lesion_of_zero_is_a_setting_and_keeps_every_part(tmp_path):
    patients = labelled_cohort(tmp_path)
    calibrate_drafts(patients, DrawingSettings(0.4, 0.0), tmp_path / "calibration.json")
    found = read_json(tmp_path / "calibration.json")
    assert {lesson["smallest_lesion_ml"] for lesson in (found["all"], *found["folds"].values())} == {0.0}
    # Specks of noise at 0.29, which any learnt size would drop.
    calibrate_drafts(patients, DrawingSettings(0.29, 0.0), tmp_path / "calibration.json")
    assert {
        lesson["smallest_lesion_ml"] for lesson in read_json(tmp_path / "calibration.json")["folds"].values()
    } == {0.0}
    calibrate_drafts(patients, DrawingSettings(0.29, None), tmp_path / "calibration.json")
    assert read_json(tmp_path / "calibration.json")["all"]["smallest_lesion_ml"] > 0.0


def test_drafts_that_are_expected_to_fail_count_in_the_quality_of_the_estimate(tmp_path):
    """At 0.43 nothing is drawn of every third patient: an expected Dice of 0, and right."""
    calibrate_drafts(
        labelled_cohort(tmp_path, count=18), DrawingSettings(0.43, None), tmp_path / "calibration.json"
    )
    found = read_json(tmp_path / "calibration.json")
    assert sum(row["expected_dice"] == 0.0 for row in found["patients"]) == 6
    assert (found["quality"]["patients"], found["quality"]["failed"]) == (18, 6)


def test_what_a_fold_is_taught_never_depends_on_its_own_patients(tmp_path):
    calibrate_drafts(labelled_cohort(tmp_path), FREE, tmp_path / "a.json")
    calibrate_drafts(labelled_cohort(tmp_path, changed="2"), FREE, tmp_path / "b.json")
    a, b = read_json(tmp_path / "a.json"), read_json(tmp_path / "b.json")
    # Patient 2 is of fold 1.
    assert a["folds"]["1"] == b["folds"]["1"]
    assert a["folds"]["0"] != b["folds"]["0"]
    assert a["all"] != b["all"]


def test_the_expected_dice_of_a_patient_is_that_of_the_fold_that_holds_it_out(tmp_path):
    patients = labelled_cohort(tmp_path, changed="2")
    # Patients 2 and 5, of fold 1, have a low Dice, of which folds 0 and 2 alone learn.
    patients["5"] = replace(patients["5"], cache=patients["2"].cache)
    calibrate_drafts(patients, FREE, tmp_path / "calibration.json")
    found = read_json(tmp_path / "calibration.json")
    assert found["folds"]["1"]["expected_dice"] != found["all"]["expected_dice"]
    assert [row["patient"] for row in found["patients"]] == list(patients)
    for row in found["patients"]:
        lesson = found["folds"][str(patients[row["patient"]].fold)]
        prediction = read_prediction(patients[row["patient"]].prediction)
        own = measure_uncertainty(prediction.probabilities, prediction.mean, lesson["threshold"])
        expected = ExpectedDice(**lesson["expected_dice"]).estimate(own)
        assert row["expected_dice"] == pytest.approx(expected, abs=1e-4), row
    rows = [(row["expected_dice"], row["dice"]) for row in found["patients"]]
    quality = measure_quality(*zip(*rows, strict=True))
    assert quality["failed"] == found["quality"]["failed"] == 1
    for name in ("mean_absolute_error", "mean_absolute_error_ci95", "auroc"):
        assert found["quality"][name] == pytest.approx(quality[name], abs=1e-5)


def test_the_dice_of_a_patient_is_that_of_the_smallest_lesion_that_other_folds_teach(tmp_path):
    """Drafts of fold 0 have a false speck, which is better dropped; labels of fold 1 have a part of that size."""
    patients, sizes = {}, {}
    for n in range(6):
        fold = n % 2
        label = ball(radius=3.0 + n / 4) | (ball((2, 4, 5), 1.0) if fold else 0)
        volume = write_cache(tmp_path / f"{n}.h5", str(n), label.astype(np.uint8))
        drawn = volume.label.copy()
        if fold == 0:
            drawn[1, 1:3, 1:3] = 1
        write_predicted(tmp_path / f"{n}p.h5", volume, 0.9 * drawn)
        patients[str(n)] = LabelledFiles(
            fold=fold, prediction=tmp_path / f"{n}p.h5", cache=tmp_path / f"{n}.h5"
        )
        parts = np.bincount(ndimage.label(volume.label)[0].reshape(-1))[1:]
        sizes[str(n)] = int(parts.max()), int(parts.min()) if fold else 4
    calibrate_drafts(patients, DrawingSettings(0.5, None), tmp_path / "calibration.json")
    found = read_json(tmp_path / "calibration.json")
    # 4 voxels of 0.016 ml.
    assert [found["folds"][fold]["smallest_lesion_ml"] for fold in ("0", "1")] == [0.0, 0.1]
    for row in found["patients"]:
        large, small = sizes[row["patient"]]
        # Fold 0 keeps its false specks, fold 1 loses its true ones.
        counts = (large, large + small, large) if row["fold"] == 0 else (large, large, large + small)
        assert row["dice"] == pytest.approx(2 * counts[0] / (counts[1] + counts[2]), abs=1e-4)


def test_each_fold_learns_at_its_own_threshold(tmp_path):
    """Tumours have 0.36 in fold 0 and 0.45 in the others, amid noise: who learns from fold 0 draws from 0.35 on."""
    patients = labelled_cohort(tmp_path, count=18)
    rng = np.random.default_rng(8)
    for files in patients.values():
        volume = read_volume(files.cache, "cache")
        height, noise = (0.36, 0.2) if files.fold == 0 else (0.45, 0.39)
        write_predicted(
            files.prediction, volume, np.maximum(height * volume.label, noise * rng.random(volume.ct.shape))
        )
    calibrate_drafts(patients, DrawingSettings(None, 0.0), tmp_path / "calibration.json")
    found = read_json(tmp_path / "calibration.json")
    assert len({lesson["threshold"] for lesson in found["folds"].values()}) > 1
    for fold, lesson in found["folds"].items():
        known, dice = [], []
        for files in patients.values():
            if files.fold != int(fold):
                prediction = read_prediction(files.prediction)
                known.append(
                    measure_uncertainty(prediction.probabilities, prediction.mean, lesson["threshold"])
                )
                dice.append(dice_of(prediction, files, lesson["threshold"]))
        expected = fit_expected_dice(known, dice)
        assert lesson["expected_dice"]["weights"] == pytest.approx(expected.weights, abs=1e-5)
        assert lesson["expected_dice"]["means"] == pytest.approx(expected.means, abs=1e-5)


def dice_of(prediction, files, threshold: float) -> float:
    drawn, label = prediction.mean >= threshold, read_volume(files.cache, "cache").label > 0
    return 2 * int((drawn & label).sum()) / int(drawn.sum() + label.sum())


def test_calibration_needs_labels(tmp_path):
    with pytest.raises(CohortError, match="no labelled patient"):
        calibrate_drafts({}, FREE, tmp_path / "calibration.json")
    volume = write_cache(tmp_path / "cache.h5", "p")
    write_predicted(tmp_path / "p.h5", volume, np.zeros(volume.ct.shape))
    files = LabelledFiles(fold=0, prediction=tmp_path / "p.h5", cache=tmp_path / "cache.h5")
    with pytest.raises(CohortError, match=r"Patient p: .* has no label"):
        calibrate_drafts({"p": files}, FREE, tmp_path / "calibration.json")


# Review queue


def test_queue_puts_the_worst_first(tmp_path):
    def record(patient, review, expected_dice, lesions=2, pairwise_dice=0.9, entropy_bits=0.2):
        uncertainty = {"entropy_bits": entropy_bits, "pairwise_dice": pairwise_dice}
        write_json(
            tmp_path / f"{patient}.json",
            {
                "expected_dice": expected_dice, "lesions": [{}] * lesions, "patient": patient,
                "review": review, "uncertainty": uncertainty, "volume_ml": 3.0,
            },
        )  # fmt: skip
        return tmp_path / f"{patient}.json"

    paths = [
        record("10", [], 0.8),
        record("2", [], 0.9),
        record("3", ["The expected Dice is 0.40, below 0.70."], 0.4),
        record("4", ["a", "b"], 0.6),
        record("5", ["No GTV found."], 0.0, lesions=0),
        record("6", [], None, pairwise_dice=0.85),
        record("7", [], 0.0, pairwise_dice=1.0),
        record("8", [], None, pairwise_dice=None, entropy_bits=0.25),
        record("9", [], None, pairwise_dice=0.0),
    ]
    collect_reviews(paths, tmp_path / "review.tsv")
    rows = read_tsv(tmp_path / "review.tsv")
    # Expected Dice 0.0 and agreement 0.0 are the worst there is; 8 is known by its entropy alone.
    assert [row["patient"] for row in rows] == ["5", "4", "3", "7", "9", "8", "10", "6", "2"]
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 10)]
    assert rows[1] == {
        "rank": "2", "patient": "4", "reasons": "2", "expected_dice": "0.6", "pairwise_dice": "0.9",
        "entropy_bits": "0.2", "volume_ml": "3.0", "lesions": "2", "review": "a b",
    }  # fmt: skip
    assert rows[5]["pairwise_dice"] == rows[5]["expected_dice"] == ""
