"""Who drafts whom, and that every draft can be seen: the finished run of a tiny cohort."""

import base64

import pytest
from lunggtv.files import file_digest, read_json, write_json
from lunggtv.tables import read_tsv

from tests.conftest import DICOM, FOLDS, LABELLED
from tests.workflow.engine import Analysis

PATIENTS = [str(i) for i in range(1, LABELLED + 1)]
NEW = "new1"


def models(finished: Analysis) -> dict[str, dict]:
    """The card of each fold's model, by the digest of its weights as they lie there."""
    folders = [finished.work / f"results/train/fold{fold}" for fold in range(FOLDS)]
    return {file_digest(f / "weights.safetensors"): read_json(f / "model.json") for f in folders}


def test_a_labelled_patient_is_drafted_by_the_one_model_that_never_saw_it(finished):
    cards = models(finished)
    for patient in PATIENTS:
        (used,) = read_json(finished.work / f"results/infer/{patient}/infer.json")["models"]
        card = cards[used["weights_sha256"]]
        assert patient in card["held_out_patients"]
        assert patient not in card["train_patients"]
        cache = file_digest(finished.work / f"results/cache/{patient}/volume.h5")
        assert cache not in card["cache_digests"].values(), "nor under another name"
        learnt = read_json(finished.work / f"results/train/fold{card['fold']}/card.json")["train_patients"]
        assert sorted(learnt) == sorted(card["train_patients"]) == sorted(set(PATIENTS) - held_out(card))


def held_out(card: dict) -> set[str]:
    return set(card["held_out_patients"])


def test_scores_name_the_fold_that_held_the_patient_out(finished):
    folds = {row["patient"]: row["fold"] for row in read_tsv(finished.work / "results/folds.tsv")}
    scores = {patient: read_json(finished.work / f"results/evaluate/{patient}.json") for patient in PATIENTS}
    assert {patient: str(score["fold"]) for patient, score in scores.items()} == folds
    rows = read_tsv(finished.work / "results/evaluate/metrics.tsv")
    assert {row["patient"]: row["fold"] for row in rows} == folds


def test_everybody_is_in_the_tables_of_verdicts_crops_and_drafts(finished):
    for table in ("ingest/verdicts", "cache/crops", "infer/review"):
        rows = read_tsv(finished.work / f"results/{table}.tsv")
        assert sorted(row["patient"] for row in rows) == [*PATIENTS, NEW], table


def test_an_unlabelled_patient_is_drafted_by_all_models_together(finished):
    used = read_json(finished.work / f"results/infer/{NEW}/infer.json")["models"]
    assert {model["weights_sha256"] for model in used} == set(models(finished))


def test_every_draft_is_in_the_report(finished):
    page = (finished.work / "results/report.html").read_text(encoding="utf-8")
    for picture in [f"evaluate/{patient}.png" for patient in PATIENTS] + [f"infer/{NEW}/gtv.png"]:
        content = (finished.work / "results" / picture).read_bytes()
        assert base64.b64encode(content).decode() in page, picture
    assert {row["patient"] for row in read_tsv(finished.work / "results/infer/review.tsv")} == {
        *PATIENTS,
        NEW,
    }
    sets = {path.parent.name for path in finished.work.glob("results/infer/*/gtv.dcm")}
    assert sets == {DICOM}


def test_what_the_drafts_expect_of_themselves_is_measured(finished):
    quality = read_json(finished.work / "results/infer/calibration.json")["quality"]
    landing = (finished.work / "results/landing.rst").read_text(encoding="utf-8")
    assert read_json(finished.work / f"results/infer/{NEW}/infer.json")["expected_dice_quality"] == quality
    # Five patients teach no expected Dice, and the report says so.
    assert quality is None and "carry no estimate of their own quality" in landing


def test_the_first_page_names_the_models_and_what_made_them(finished):
    *_, voxels, made = (
        (finished.work / "results/landing.rst").read_text(encoding="utf-8").strip().split("\n\n")
    )
    cards = sorted(models(finished).items(), key=lambda model: model[1]["fold"])
    weights = ", ".join(f"fold {card['fold']} ``{digest[:12]}``" for digest, card in cards)
    versions = ", ".join(f"{name} {version}" for name, version in sorted(cards[0][1]["versions"].items()))
    assert made == f"Made with {versions}. Models (first digits of their SHA-256): {weights}."
    assert voxels.startswith("Models see voxels of 6.25 x 6.4 x 6.4 mm (z, y, x; ``cache.spacing_mm``)")


def test_a_labelled_patient_is_drawn_as_the_other_folds_teach_and_others_as_all_do(analysis):
    path = analysis.work / "results/infer/calibration.json"
    calibration = read_json(path)
    calibration["all"]["threshold"] = 0.5
    for fold in range(FOLDS):
        calibration["folds"][str(fold)]["threshold"] = round(0.1 * (fold + 1), 1)
    write_json(path, calibration)
    path.with_name(f".{path.name}.sha256").unlink()  # as if it had been made so
    analysis.run("infer")
    for patient in [*PATIENTS, NEW]:
        record = read_json(analysis.work / f"results/infer/{patient}/infer.json")
        folds = {model["fold"] for model in record["models"]}
        expected = 0.5 if patient == NEW else 0.1 * (folds.pop() + 1)
        assert record["threshold"] == pytest.approx(expected), patient


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        ("dice_by_volume", "Dice against tumour volume"),
        ("distributions", "surface Dice at 2 mm"),
        ("calibration", "these drafts carry no estimate of their own quality"),
    ],
)
def test_each_figure_shows_what_its_name_says(finished, figure, words):
    """Matplotlib writes every text of a figure as a comment beside its outlines."""
    drawn = (finished.work / f"results/evaluate/{figure}.svg").read_text(encoding="utf-8")
    assert f"<!-- {words}" in drawn
