"""Model packages: whole or refused, the same bytes again, nobody named, and a self-test that means something."""

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from lunggtv.errors import CohortError, DamagedFile
from lunggtv.files import file_digest, read_json, write_json
from lunggtv.geometry import Grid
from lunggtv.image_files import read_image
from lunggtv.infer.predict_patient import predict_patient
from lunggtv.infer.prediction_file import read_prediction
from lunggtv.package.package_file import read_manifest, read_members
from lunggtv.package.package_models import package_models
from lunggtv.package.unpack_models import unpack_models

from tests.unit.infer_files import STRAIGHT, write_cache
from tests.unit.infer_models import write_model

NAMES = ("Nina Nobody", "Otto Other")
SETTINGS = {"cache": {"spacing_mm": [5.0, 2.0, 2.0]}, "infer": {"mirror": True}}
LESSON = {"expected_dice": None, "patients": 2, "smallest_lesion_ml": 0.0, "threshold": 0.5}


def synthetic() -> tuple[np.ndarray, np.ndarray, Grid]:
    """A noisy block of a "tumour"; the models say anything, but always the same."""
    grid = Grid((14, 40, 44), (5.0, 1.5, 1.5), (0.0, 0.0, 0.0), STRAIGHT)
    label = np.zeros(grid.shape, np.uint8)
    label[5:9, 15:25, 20:30] = 1
    noise = np.random.default_rng(0).integers(-900, 100, grid.shape)
    return (noise + 500 * label.astype(int)).astype(np.int16), label, grid


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    """A package, and the folder of what went into it."""
    folder = tmp_path_factory.mktemp("made")
    write_cache(folder / "learnt.h5", NAMES[0])
    digests = {NAMES[0]: file_digest(folder / "learnt.h5")}
    models = [
        write_model(folder, NAMES, seed, cache_digests=digests, held_out_patients=[NAMES[1]])
        for seed in (0, 1)
    ]
    calibration = {
        "all": LESSON,
        "curve": {"mean_dice": [0.6, 0.7], "thresholds": [0.45, 0.5]},
        "folds": {"0": LESSON},
        "patients": [{"dice": 0.7, "expected_dice": None, "fold": 0, "patient": NAMES[0]}],
        "quality": None,
    }
    write_json(folder / "calibration.json", calibration)
    package_models(models, folder / "calibration.json", synthetic(), SETTINGS, folder / "package.zip")
    return folder / "package.zip", folder


def unpack(package: Path, folder: Path) -> list[tuple[Path, Path]]:
    unpack_models(package_path=package, folder=folder, selftest_path=folder / "selftest.json")
    return [(folder / f"fold{k}" / "weights.safetensors", folder / f"fold{k}" / "model.json") for k in (0, 1)]


def test_unpacked_models_predict_the_same_bits(made, tmp_path):
    package, folder = made
    write_cache(tmp_path / "cache.h5", "new")
    packed = [
        (folder / f"fold{k}" / "weights.safetensors", folder / f"fold{k}" / "model.json") for k in (0, 1)
    ]
    unpacked = unpack(package, tmp_path / "model")
    for name, models in (("a", packed), ("b", unpacked)):
        predict_patient(tmp_path / "cache.h5", models, True, tmp_path / f"{name}.h5")
    a, b = read_prediction(tmp_path / "a.h5"), read_prediction(tmp_path / "b.h5")
    assert np.array_equal(a.passes, b.passes)
    assert a.models == b.models
    assert read_json(tmp_path / "model" / "calibration.json")["all"] == LESSON
    found = read_json(tmp_path / "model" / "selftest.json")
    assert found == {"differing_voxels": 0, "largest_difference_percent": 0}
    percent, _ = read_image(tmp_path / "model" / "selftest" / "expected.nii.gz")
    assert percent.min() < percent.max()


def test_the_same_models_give_the_same_package(made, tmp_path):
    package, folder = made
    models = [
        (folder / f"fold{k}" / "weights.safetensors", folder / f"fold{k}" / "model.json") for k in (0, 1)
    ]
    package_models(models, folder / "calibration.json", synthetic(), SETTINGS, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == package.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.zip"]


def test_a_package_may_bring_no_other_settings_than_those_of_its_models(made, tmp_path):
    """Settings for data or training would decide what is read and who takes part."""
    with zipfile.ZipFile(made[0]) as archive:
        manifest = json.loads(archive.read("package.json"))
    other = {"data": {"labelled": "/elsewhere"}}
    for changed in (
        SETTINGS | other,
        {"cache": SETTINGS["cache"]},
        SETTINGS | {"infer": 1},
        SETTINGS | {"cache": []},
    ):
        with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
            archive.writestr("package.json", json.dumps(manifest | {"settings": changed}))
        with pytest.raises(DamagedFile, match=r"package\.json is not as a package has it"):
            read_manifest(tmp_path / "other.zip")


def test_a_package_has_up_to_twenty_models_and_a_short_manifest(tmp_path):
    def manifest(folds: int, size: int) -> dict:
        content = json.dumps({"folds": folds, "schema": 1, "settings": SETTINGS})
        with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
            archive.writestr("package.json", content.ljust(size))
        return read_manifest(tmp_path / "p.zip")

    assert (manifest(20, 2**20)["folds"], manifest(1, 200)["folds"]) == (20, 1)
    for folds, size, words in ((21, 200, "is not as a package"), (1, 2**20 + 1, "larger than 1048576 bytes")):
        with pytest.raises(DamagedFile, match=words):
            manifest(folds, size)


def test_a_package_holds_what_its_manifest_says(made):
    with zipfile.ZipFile(made[0]) as archive:
        content = {info.filename: archive.read(info) for info in archive.infolist()}
        assert {(info.date_time, info.compress_type) for info in archive.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), 0)
        }
    manifest = json.loads(content.pop("package.json"))
    assert list(content) == [
        "MODEL_CARD.md", "calibration.json", "fold0/model.json", "fold0/weights.safetensors", "fold1/model.json",
        "fold1/weights.safetensors", "selftest/ct.nii.gz", "selftest/expected.nii.gz",
    ]  # fmt: skip
    assert manifest == {
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
        "folds": 2, "schema": 1, "settings": SETTINGS,
    }  # fmt: skip
    calibration = json.loads(content["calibration.json"])
    curve = {"mean_dice": [0.6, 0.7], "thresholds": [0.45, 0.5]}
    assert calibration == {"all": LESSON, "curve": curve, "folds": {}, "quality": None}
    for fold in (0, 1):
        card, own = (
            json.loads(content[f"fold{fold}/model.json"]),
            read_json(made[1] / f"fold{fold}/model.json"),
        )
        digest = file_digest(made[1] / "learnt.h5")
        nobody = {"cache_digests": {digest: digest}, "held_out_patients": [], "train_patients": []}
        assert card == own | nobody and own["held_out_patients"] == [NAMES[1]]


def test_settings_are_read_at_a_glance(made):
    assert read_manifest(made[0])["settings"] == SETTINGS
    assert read_manifest(made[0])["folds"] == 2


def test_any_flipped_byte_is_refused(made, tmp_path):
    content = made[0].read_bytes()
    damaged = tmp_path / "damaged.zip"
    rng = np.random.default_rng(0)
    places = [
        0,
        10,
        len(content) // 2,
        len(content) - 1,
        len(content) - 70,
        *rng.integers(0, len(content), 40),
    ]
    for place in places:
        damaged.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(DamagedFile, match=r"damaged\.zip"):
            read_members(damaged)
    damaged.write_bytes(content[:-1])
    with pytest.raises(DamagedFile, match=r"damaged\.zip"):
        read_members(damaged)


def test_what_is_no_package_is_refused(tmp_path):
    with pytest.raises(DamagedFile, match="is not a model package"):
        read_manifest(tmp_path / "absent.zip")
    for content in ("hello", ""):
        (tmp_path / "text.zip").write_text(content)
        with pytest.raises(DamagedFile, match="is not a model package"):
            read_manifest(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("package.json", json.dumps({"schema": 99}))
    with pytest.raises(DamagedFile, match="of schema 1"):
        read_manifest(tmp_path / "other.zip")


def test_nobody_is_named_and_nothing_is_pickled(made):
    content = made[0].read_bytes()
    assert not any(name.encode() in content for name in NAMES)
    assert all(not name.endswith((".pkl", ".pt", ".pth")) for name in read_members(made[0]))
    card = read_members(made[0])["MODEL_CARD.md"].decode()
    assert "must be reviewed" in card
    assert "| Mean Dice out of fold | 0.700 at probability 0.5" in card


def test_an_unpacked_model_still_knows_the_caches_it_learnt_from(made, tmp_path):
    package, folder = made
    models = unpack(package, tmp_path / "model")
    with pytest.raises(CohortError, match="learnt from this patient"):
        predict_patient(folder / "learnt.h5", models, False, tmp_path / "p.h5")
    # Another patient of the same name is somebody else.
    write_cache(tmp_path / "cache.h5", NAMES[0], fallback=True)
    predict_patient(tmp_path / "cache.h5", models, False, tmp_path / "p.h5")


def test_a_machine_that_computes_something_else_is_told(made, tmp_path, monkeypatch):
    def something_else(model, ct, mirror, device):
        return [np.random.default_rng(5).random(ct.shape, dtype=np.float32)]

    monkeypatch.setattr("lunggtv.package.selftest.predict_passes", something_else)
    with pytest.raises(DamagedFile, match="self-test predicts something else here"):
        unpack(made[0], tmp_path / "model")


@pytest.mark.parametrize(
    ("off_percent", "refused"), [(1, False), (-3, False), (3, False), (-4, True), (4, True)]
)
def test_a_single_voxel_tells_another_machine(made, tmp_path, monkeypatch, off_percent, refused):
    expected, _ = read_image(
        unpack(made[0], tmp_path / "model")[0][0].parents[1] / "selftest/expected.nii.gz"
    )
    found = expected / np.float32(100)
    voxel = np.unravel_index(np.abs(expected - 50.0).argmin(), expected.shape)
    assert 4 <= expected[voxel] <= 96
    found[voxel] += off_percent / 100
    monkeypatch.setattr("lunggtv.package.selftest.predict_passes", lambda *_: [found])
    if refused:
        with pytest.raises(DamagedFile, match="up to 4 percent points"):
            unpack(made[0], tmp_path / "other")
    else:
        unpack(made[0], tmp_path / "other")
        told = read_json(tmp_path / "other/selftest.json")
        assert told == {"differing_voxels": 1, "largest_difference_percent": abs(off_percent)}
