"""One run with every stage set otherwise than by default: each setting arrives where it is meant to."""

import json

import numpy as np
import pytest
import yaml
from lunggtv.geometry import Grid, Orientation
from lunggtv.image_files import read_image, write_image
from lunggtv.infer.prediction_file import read_prediction
from lunggtv.resampling import resample_mask
from lunggtv.tables import read_tsv
from lunggtv.volume import read_volume
from lungphantom.body import paint_phantom
from lungphantom.nifti_pair import stored_orientation, write_nifti
from lungphantom.plan import DEMO, PhantomSettings, plan_cohort

from tests.workflow.engine import new_analysis

SETTINGS = {
    "data": {
        "labelled": "study",
        "image": "{patient}/ct.nii.gz",
        "label": "{patient}/drawn.nii.gz",
        "exclude": {"4": "moved during the scan"},
    },
    "ingest": {"gtv_values": [3, 7]},
    "folds": {"count": 2, "pinned": "folds.tsv"},
    "cache": {
        "spacing_mm": [None, 6.4, 6.4],
        "lungs": "{patient}/lungs.nii.gz",
        "margin_mm": {"cranial": 30, "caudal": 10, "anterior": 20, "posterior": 20, "left": 20, "right": 20},
    },
    "train": {
        "steps": 2,
        "batch": 1,
        "patch_shape": [8, 16, 16],
        "snapshots": 0,
        "optimiser": "adamw",
        "learning_rate": 0.001,
        "momentum": 0.9,
        "ema_decay": 0,
        "deep_supervision": False,
        "deterministic": False,
        "network": {"name": "residual_encoder", "width": 3, "max_width": 5, "blocks": [2, 1]},
    },
    "infer": {"threshold": 0.2, "smallest_lesion_ml": 0.5, "probability": True, "roi_name": "GTVp"},
    "evaluate": {"tolerances_mm": [4], "volume_edges_ml": [], "resamples": 100},
}
FOLDS = {"1": 1, "2": 0, "3": 1}


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    analysis = new_analysis(tmp_path_factory.mktemp("settings"))
    for plan in plan_cohort(PhantomSettings(3, 0, 0, DEMO, 3)):
        write_patient(plan, analysis.work / "study" / plan.patient)
    (analysis.work / "study/4").mkdir()
    rows = ["patient\tfold", *(f"{patient}\t{fold}" for patient, fold in FOLDS.items())]
    (analysis.work / "folds.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (analysis.work / "config.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    analysis.run()
    return analysis


def write_patient(plan, folder):
    """A label of two values that both are GTV, and lungs of the user's own, larger than they are found."""
    phantom = paint_phantom(plan)
    folder.mkdir(parents=True)
    write_nifti(phantom, plan, folder)
    (folder / "data.nii.gz").rename(folder / "ct.nii.gz")
    label, grid = read_image(folder / "label.nii.gz")
    (folder / "label.nii.gz").unlink()
    values = np.where(np.arange(len(label)) % 2, 3, 7)[:, None, None]
    write_image(folder / "drawn.nii.gz", (label * values).astype(np.uint8), grid)
    lungs = stored_orientation(plan).undo(phantom.lungs | phantom.label)
    write_image(folder / "lungs.nii.gz", np.ascontiguousarray(lungs), grid)


def results(analysis, name):
    return json.loads((analysis.work / "results" / name).read_text(encoding="utf-8"))


def test_patients_labels_and_folds_are_those_of_the_settings(analysis):
    assert sorted(
        path.name for path in (analysis.work / "results/ingest").iterdir() if path.is_dir()
    ) == list(FOLDS)
    dealt = read_tsv(analysis.work / "results/folds.tsv")
    assert {row["patient"]: int(row["fold"]) for row in dealt} == FOLDS
    for patient in FOLDS:
        drawn, _ = read_image(analysis.work / f"study/{patient}/drawn.nii.gz")
        volume = read_volume(analysis.work / f"results/ingest/{patient}/volume.h5", "ingest")
        turned = Orientation.from_dict(volume.metadata["orientation"]).apply(drawn)
        assert set(np.unique(drawn)) == {0, 3, 7} and np.array_equal(volume.label, turned > 0)


def test_the_lungs_are_the_users_own(analysis):
    for patient in FOLDS:
        own, grid = read_image(analysis.work / f"study/{patient}/lungs.nii.gz")
        cached = read_volume(analysis.work / f"results/cache/{patient}/volume.h5", "cache")
        ingested = Grid.from_dict(cached.metadata["ingested"])
        own = Orientation.from_dict(cached.metadata["orientation"]).apply(own)
        theirs = resample_mask(own, ingested, cached.grid)
        both = np.count_nonzero(theirs & cached.lungs)
        assert 2 * both / (theirs.sum() + cached.lungs.sum()) > 0.97
        assert cached.grid.spacing_mm == (grid.spacing_mm[0], 6.4, 6.4)


def test_training_is_told_and_done_as_set(analysis):
    for fold in (0, 1):
        card = results(analysis, f"train/fold{fold}/card.json")
        assert (
            card["config"].items() >= {key: SETTINGS["train"][key] for key in ("optimiser", "batch")}.items()
        )
        assert card["architecture"]["widths"][:2] == [3, 5]
        assert sorted(card["train_patients"]) == [p for p, own in FOLDS.items() if own != fold]
        (first, _) = read_tsv(analysis.work / f"results/train/fold{fold}/history.tsv")
        assert float(first["learning_rate"]) == 0.001


def test_drafts_follow_the_settings(analysis):
    for patient in FOLDS:
        folder = analysis.work / f"results/infer/{patient}"
        assert read_prediction(folder / "prediction.h5").probabilities.shape[:2] == (1, 2), "mirrored too"
        percent, _ = read_image(folder / "probability.nii.gz")
        mask, grid = read_image(folder / "gtv.nii.gz")
        record = results(analysis, f"infer/{patient}/infer.json")
        drawn_ml = (percent >= 20).sum() * grid.voxel_ml
        assert mask.sum() * grid.voxel_ml == pytest.approx(drawn_ml - record["dropped_ml"], rel=0.03, abs=0.2)
        assert all(lesion["volume_ml"] >= 0.5 for lesion in record["lesions"])
    lesson = results(analysis, "infer/calibration.json")["all"]
    assert (lesson["threshold"], lesson["smallest_lesion_ml"]) == (0.2, 0.5)


def test_scores_follow_the_settings(analysis):
    summary = results(analysis, "evaluate/summary.json")
    assert [stratum["name"] for stratum in summary["strata"]["volume"]] == ["all volumes"]
    columns = read_tsv(analysis.work / "results/evaluate/metrics.tsv")[0].keys()
    assert [name for name in columns if "surface_dice" in name] == ["surface_dice_4mm"]


def test_phantoms_are_made_and_read_in_place_of_raw_data(tmp_path):
    analysis = new_analysis(tmp_path)
    (analysis.work / "config.yaml").write_text("phantom: {labelled: 2, unlabelled: 1, dicom: 1, seed: 5}\n")
    analysis.run("ingest")
    verdicts = read_tsv(analysis.work / "results/ingest/verdicts.tsv")
    assert [row["patient"] for row in verdicts] == ["1", "2", "new1"]
    for plan in plan_cohort(PhantomSettings(2, 1, 1, DEMO, 5)):
        volume = read_volume(analysis.work / f"results/ingest/{plan.patient}/volume.h5", "ingest")
        phantom = paint_phantom(plan)
        assert np.abs(volume.ct - np.maximum(phantom.ct, -1024)).max() <= 1
        assert (volume.label is not None) == plan.labelled
        # The structure set's contours run along the voxels' edges.
        assert not plan.labelled or np.array_equal(volume.label, phantom.label)
    assert analysis.reruns("ingest") == {}
