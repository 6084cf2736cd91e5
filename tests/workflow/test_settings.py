"""One run with every stage set otherwise than by default: each setting arrives where it is meant to."""

import json
import os
import re

import numpy as np
import pydicom
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

from tests.workflow.engine import PROJECT, new_analysis

SETTINGS = {
    "data": {
        "labelled": "study",
        "image": "{patient}/ct.nii.gz",
        "label": "{patient}/drawn.nii.gz",
        "unlabelled": "more",
        "unlabelled_image": "{patient}/scan.nii.gz",
        "exclude": {"4": "moved during the scan"},
        "prefer_series": [{"kernel": "^B3"}, {"thickness_mm": 3}],
        "follow_links": True,
    },
    "ingest": {
        "gtv_values": [3, 7],
        "spacing_tolerance_mm": 0.01,
        "position_tolerance_mm": 0.2,
        "max_voxels": 5_000_000,
        "roi_patterns": ["Tumou?r.*"],
        "slice_tolerance_mm": 0.2,
        "interpolate_gtv": True,
    },
    "folds": {"count": 2, "seed": 3, "pinned": "folds.tsv"},
    "cache": {
        "spacing_mm": [None, 6.4, 6.4],
        "keep_native_within": 0.05,
        "lungs": "{patient}/lungs.nii.gz",
        "margin_mm": {"cranial": 30, "caudal": 10, "anterior": 15, "posterior": 15, "left": 15, "right": 15},
    },
    "train": {
        "run_folds": [0, 1],
        "seed": 2,
        "steps": 2,
        "batch": 1,
        "patch_shape": [8, 16, 16],
        "foreground_share": 0.5,
        "snapshots": 0,
        "optimiser": "adamw",
        "learning_rate": 0.001,
        "momentum": 0.9,
        "weight_decay": 0.0001,
        "clip_norm": 10,
        "ema_decay": 0,
        "deep_supervision": False,
        "deterministic": False,
        "compile": True,
        "mixed_precision": False,
        "network": {"width": 3, "max_width": 5, "blocks": [2, 1]},
        "augmentation": {
            "mirror_share": 0.9, "geometry_share": 0.9, "rotation_in_plane_deg": 20, "rotation_out_of_plane_deg": 5,
            "scale": [0.8, 1.2], "elastic_share": 0.9, "elastic_mm": 5, "elastic_spacing_mm": 50,
            "low_resolution_share": 0.9, "low_resolution": [0.6, 1], "blur_share": 0.9, "blur_mm": [1, 2],
            "noise_share": 0.9, "noise_hu": 50, "brightness_share": 0.9, "brightness_hu": 30, "contrast_share": 0.9,
            "contrast": [0.9, 1.1], "gamma_share": 0.9, "gamma": [0.9, 1.1],
        },
    },
    "infer": {
        "threshold": 0.2,
        "smallest_lesion_ml": 0.5,
        "mirror": False,
        "probability": True,
        "review_dice": 0.9,
        "roi_name": "GTVp",
    },
    "evaluate": {
        "tolerances_mm": [4],
        "lesion_overlap": 0.2,
        "volume_edges_ml": [],
        "resamples": 100,
        "seed": 7,
        "compare": {"copies": "copies"},
    },
}  # fmt: skip
PHANTOMS = {"phantom": {"labelled": 2, "unlabelled": 1, "dicom": 1, "seed": 5, "variety": "varied"}}
FULL_SIZE = {"phantom": {"unlabelled": 1, "size": "full"}}
# Keys that another test sets in a run of snakemake.
ELSEWHERE = {
    "model": "test_package.py",
    "train.network.name": "test_reruns.py",
    "train.start_from": "test_package.py",
}
FOLDS = {"1": 1, "2": 0, "3": 1}
NEW = "new"


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    analysis = new_analysis(tmp_path_factory.mktemp("settings"))
    for plan in plan_cohort(PhantomSettings(3, 0, 0, DEMO, 3)):
        write_patient(plan, analysis.work / "study" / plan.patient)
    (analysis.work / "study/3").rename(analysis.work / "on another disk")
    (analysis.work / "study/3").symlink_to(analysis.work / "on another disk")
    (analysis.work / "study/4").mkdir()
    (plan,) = plan_cohort(PhantomSettings(0, 1, 0, DEMO, 9))
    write_patient(plan, analysis.work / "more" / NEW)
    (analysis.work / "more" / NEW / "ct.nii.gz").rename(analysis.work / "more" / NEW / "scan.nii.gz")
    (analysis.work / "copies").mkdir()
    for patient in FOLDS:
        drawn, grid = read_image(analysis.work / f"study/{patient}/drawn.nii.gz")
        write_image(analysis.work / f"copies/{patient}.nii.gz", (drawn > 0).astype(np.uint8), grid)
    rows = ["patient\tfold", *(f"{patient}\t{fold}" for patient, fold in FOLDS.items())]
    (analysis.work / "folds.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (analysis.work / "config.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    # Compiling takes a minute; the setting goes its way all the same.
    analysis.run(env=os.environ | {"TORCH_COMPILE_DISABLE": "1"})
    return analysis


def write_patient(plan, folder):
    """A label of two values that both are GTV, and lungs of the user's own, larger than they are found."""
    phantom = paint_phantom(plan)
    folder.mkdir(parents=True)
    write_nifti(phantom, plan, folder)
    (folder / "data.nii.gz").rename(folder / "ct.nii.gz")
    _, grid = read_image(folder / "ct.nii.gz")
    if plan.labelled:
        label, _ = read_image(folder / "label.nii.gz")
        (folder / "label.nii.gz").unlink()
        values = np.where(np.arange(len(label)) % 2, 3, 7)[:, None, None]
        write_image(folder / "drawn.nii.gz", (label * values).astype(np.uint8), grid)
    lungs = stored_orientation(plan).undo(phantom.lungs | phantom.label)
    write_image(folder / "lungs.nii.gz", np.ascontiguousarray(lungs), grid)


def results(analysis, name):
    return json.loads((analysis.work / "results" / name).read_text(encoding="utf-8"))


def test_patients_labels_and_folds_are_those_of_the_settings(analysis):
    assert sorted(path.name for path in (analysis.work / "results/ingest").iterdir() if path.is_dir()) == [
        *FOLDS,
        NEW,
    ]
    dealt = read_tsv(analysis.work / "results/folds.tsv")
    assert {row["patient"]: int(row["fold"]) for row in dealt} == FOLDS
    for patient in FOLDS:
        drawn, _ = read_image(analysis.work / f"study/{patient}/drawn.nii.gz")
        volume = read_volume(analysis.work / f"results/ingest/{patient}/volume.h5", "ingest")
        turned = Orientation.from_dict(volume.metadata["orientation"]).apply(drawn)
        assert set(np.unique(drawn)) == {0, 3, 7} and np.array_equal(volume.label, turned > 0)


def test_the_lungs_are_the_users_own(analysis):
    for patient in (*FOLDS, NEW):
        root = "more" if patient == NEW else "study"
        own, grid = read_image(analysis.work / f"{root}/{patient}/lungs.nii.gz")
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
        assert read_prediction(folder / "prediction.h5").probabilities.shape[:2] == (1, 1), "not mirrored"
        percent, _ = read_image(folder / "probability.nii.gz")
        mask, grid = read_image(folder / "gtv.nii.gz")
        record = results(analysis, f"infer/{patient}/infer.json")
        drawn = mask.sum() + round(record["dropped_ml"] / grid.voxel_ml)
        # The map has whole percents: 20 may be a little less than the threshold.
        assert (percent >= 21).sum() <= drawn <= (percent >= 20).sum()
        assert all(lesion["volume_ml"] >= 0.5 for lesion in record["lesions"])
    lesson = results(analysis, "infer/calibration.json")["all"]
    assert (lesson["threshold"], lesson["smallest_lesion_ml"]) == (0.2, 0.5)


def test_scores_follow_the_settings(analysis):
    summary = results(analysis, "evaluate/summary.json")
    assert [stratum["name"] for stratum in summary["strata"]["volume"]] == ["all volumes"]
    columns = read_tsv(analysis.work / "results/evaluate/metrics.tsv")[0].keys()
    assert [name for name in columns if "surface_dice" in name] == ["surface_dice_4mm"]
    copies = read_tsv(analysis.work / "results/compare/copies/patients.tsv")
    assert [float(row["second_dice"]) for row in copies] == [1.0] * len(FOLDS)


def test_phantoms_are_made_and_read_in_place_of_raw_data(tmp_path):
    analysis = new_analysis(tmp_path)
    (analysis.work / "config.yaml").write_text(yaml.safe_dump(PHANTOMS))
    analysis.run("ingest")
    verdicts = read_tsv(analysis.work / "results/ingest/verdicts.tsv")
    assert [row["patient"] for row in verdicts] == ["1", "2", "new1"]
    for plan in plan_cohort(PhantomSettings(2, 1, 1, DEMO, 5, "varied")):
        volume = read_volume(analysis.work / f"results/ingest/{plan.patient}/volume.h5", "ingest")
        phantom = paint_phantom(plan)
        assert np.abs(volume.ct - np.maximum(phantom.ct, -1024)).max() <= 1
        assert (volume.label is not None) == plan.labelled
        # The structure set's contours run along the voxels' edges.
        assert not plan.labelled or np.array_equal(volume.label, phantom.label)
    assert analysis.reruns("ingest") == {}


def test_phantoms_of_full_size_are_made(tmp_path):
    analysis = new_analysis(tmp_path)
    (analysis.work / "config.yaml").write_text(yaml.safe_dump(FULL_SIZE))
    analysis.run("phantom/unlabelled/new1/data.nii.gz")
    ct, _ = read_image(analysis.work / "phantom/unlabelled/new1/data.nii.gz")
    assert ct.shape[1:] == (512, 512) and ct.shape[0] >= 80


def test_a_series_is_the_one_that_the_settings_pin(tmp_path, raw_cohort):
    """Of two in a folder, of which the second is shifted by 7 HU."""
    analysis = new_analysis(tmp_path)
    folder = analysis.work / "raw/7"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    for path in sorted((raw_cohort / "labelled/1").rglob("*.dcm")):
        one = pydicom.dcmread(path)
        if one.Modality == "CT":
            one.save_as(folder / "a" / path.name)
            one.SeriesInstanceUID = f"{one.SeriesInstanceUID}.9"
            one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"{one.SOPInstanceUID}.9"
            one.RescaleIntercept = float(one.RescaleIntercept) + 7
            one.ConvolutionKernel = "B70f"
            one.save_as(folder / "b" / path.name)
    data = {"labelled": None, "unlabelled": "raw"}
    found = {}
    (analysis.work / "config.yaml").write_text(yaml.safe_dump({"data": data}))
    refused = analysis.run("ingest", check=False)
    keys = sorted(set(re.findall(r"\bs[0-9a-f]{8}\b", refused.stdout + refused.stderr)))
    assert refused.returncode != 0 and len(keys) == 2
    for key in keys:
        (analysis.work / "config.yaml").write_text(yaml.safe_dump({"data": data | {"series": {"7": key}}}))
        analysis.run("ingest")
        found[key] = read_volume(analysis.work / "results/ingest/7/volume.h5", "ingest").ct
    preferred = data | {"prefer_series": [{"kernel": "^B70"}]}
    (analysis.work / "config.yaml").write_text(yaml.safe_dump({"data": preferred}))
    analysis.run("ingest")
    sharp = read_volume(analysis.work / "results/ingest/7/volume.h5", "ingest").ct
    first, second = found.values()
    assert np.array_equal(sharp, max(first, second, key=np.sum)), "the one that is 7 HU brighter"
    inside = (first > -900) & (second > -900)
    assert set(np.unique(np.abs(second[inside].astype(int) - first[inside]))) == {7}


def leaves(schema, defs, path=()):
    """Every setting of the schema with its default."""
    for key, named in schema["properties"].items():
        part = defs[named["$ref"].removeprefix("#/$defs/")] | named if "$ref" in named else named
        if "default" in part:
            yield (*path, key), part["default"]
        else:
            yield from leaves(part, defs, (*path, key))


def at(settings, path):
    for key in path:
        if not isinstance(settings, dict) or key not in settings:
            return None
        settings = settings[key]
    return settings


def test_every_setting_is_run_once_otherwise_than_by_default():
    """What nobody ran does not work: here, or where ``ELSEWHERE`` says."""
    schema = yaml.safe_load((PROJECT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    runs = (SETTINGS, PHANTOMS, FULL_SIZE, {"data": {"series": {"7": "pinned above"}}})
    never = []
    for path, default in leaves(schema, schema["$defs"]):
        values = [value for run in runs if (value := at(run, path)) is not None]
        if ".".join(path) in ELSEWHERE:
            text = (PROJECT / "tests/workflow" / ELSEWHERE[".".join(path)]).read_text(encoding="utf-8")
            assert re.search(rf"\b{path[-1]}\b", text), path
        elif all(value == default for value in values):
            never.append(".".join(path))
    assert never == []
