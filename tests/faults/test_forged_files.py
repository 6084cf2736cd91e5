"""Files of ours that somebody forged or cut: one message that names the file, and no memory for empty promises."""

import hashlib
import json
import struct
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest
from lunggtv.errors import DamagedFile
from lunggtv.geometry import Grid
from lunggtv.infer.prediction_file import Prediction, read_prediction, write_prediction
from lunggtv.model.weights import load_model, load_tensors
from lunggtv.package.package_file import COMMENT_BYTES, read_manifest, read_members
from lunggtv.volume import Volume, read_volume, write_volume

from tests.unit.test_weights import PLAN, saved  # noqa: F401
from tests.workflow.engine import new_analysis

GRID = Grid((4, 8, 8), (5.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))


def volume_file(folder):
    write_volume(
        folder / "volume.h5", "cache", Volume("7", np.arange(256, dtype="i2").reshape(GRID.shape), GRID)
    )
    return folder / "volume.h5", lambda path: read_volume(path, "cache"), "ct"


def prediction_file(folder):
    models = [{"name": "fold0"}]
    write_prediction(folder / "prediction.h5", Prediction("7", np.ones((1, *GRID.shape), "u2"), GRID, models))
    return folder / "prediction.h5", read_prediction, "passes"


def promised(file, name):
    """10^12 voxels, none of them in the file."""
    dtype, dims = file[name].dtype, file[name].ndim
    del file[name]
    file.create_dataset(
        name, (1,) * (dims - 3) + (10_000,) * 3, dtype, chunks=(1,) * (dims - 3) + (16, 64, 64)
    )


def linked(file, name):
    """A link to another file."""
    del file[name]
    file[name] = h5py.ExternalLink("/etc/passwd", name)


def outside(file, name):
    """Voxels that lie in another file, byte by byte."""
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    file.create_dataset(name, shape, dtype, external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def retyped(file, name):
    """Numbers of another type."""
    values = file[name][()].astype("f8")
    del file[name]
    file.create_dataset(name, data=values, chunks=True)


def grouped(file, name):
    """A group where the array should be."""
    del file[name]
    file.create_group(name)


@pytest.mark.parametrize("made", [volume_file, prediction_file])
@pytest.mark.parametrize("forge", [promised, linked, outside, retyped, grouped])
def test_a_forged_hdf5_is_refused(tmp_path, made, forge):
    path, read, name = made(tmp_path)
    with h5py.File(path, "r+") as file:
        forge(file, name)
    with pytest.raises(DamagedFile, match=rf"{path.name}: .*Delete the file and run snakemake again"):
        read(path)


@pytest.mark.parametrize("made", [volume_file, prediction_file])
def test_a_cut_hdf5_is_refused_wherever_it_ends(tmp_path, made):
    path, read, _ = made(tmp_path)
    whole = path.read_bytes()
    for kept in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:kept])
        with pytest.raises(DamagedFile, match=path.name):
            read(path)


def test_a_flipped_bit_in_a_prediction_is_noticed_or_harmless(tmp_path):
    path, read, _ = prediction_file(tmp_path)
    whole, expected = path.read_bytes(), read_prediction(path)
    for place in np.random.default_rng(0).integers(0, len(whole), 300):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            found = read(path)
        except DamagedFile:
            continue
        assert np.array_equal(found.passes, expected.passes)
        assert replace(found, passes=None) == replace(expected, passes=None)


@pytest.mark.parametrize(
    "header",
    [
        b'{"w": {"dtype": "F32", "shape": [1000000, 1000000], "data_offsets": [0, 4000000000000]}}',
        b'{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 9]}}',
        b'{"w": ' * 5000,
        b"no json",
    ],
)
def test_forged_tensors_are_refused(tmp_path, header):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(DamagedFile, match=r"weights\.safetensors: cannot be read"):
        load_tensors(path)
    path.write_bytes(struct.pack("<Q", 1 << 62) + header)
    with pytest.raises(DamagedFile, match=r"weights\.safetensors: cannot be read"):
        load_tensors(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("widths", [10**9] * len(PLAN.widths)), ("blocks", [10**9] * len(PLAN.blocks)), ("widths", []),
        ("name", "other"),
        ("kernels", "none"), ("strides", [[0, 0, 0]] * len(PLAN.strides)), ("widths", [10**30] * len(PLAN.widths)),
    ],
)  # fmt: skip
def test_a_card_that_describes_another_network_is_refused_at_once(saved, key, value):  # noqa: F811
    _, weights, path = saved
    card = json.loads(path.read_text(encoding="utf-8"))
    card["architecture"][key] = value
    path.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(DamagedFile, match=r"describes no network|does not fit its network"):
        load_model(weights, path)


def forged_package(path, names, manifest=None, packing=zipfile.ZIP_STORED):
    """A zip with these members and the digest that a package carries."""
    content = (
        {"folds": 1, "schema": 1, "settings": {"cache": {}, "infer": {}}} if manifest is None else manifest
    )
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.comment = b"0" * COMMENT_BYTES
        archive.writestr("package.json", json.dumps(content))
        for name in names:
            archive.writestr(name, bytes(1 << 20))
    whole = path.read_bytes()[:-COMMENT_BYTES]
    path.write_bytes(whole + hashlib.sha256(whole).hexdigest().encode())


@pytest.mark.parametrize("name", ["../../outside", "/tmp/outside", "fold0/../../outside", "fold0/model.json"])
def test_a_package_with_other_members_is_refused(tmp_path, name):
    forged_package(tmp_path / "p.zip", [name])
    with pytest.raises(DamagedFile, match=r"p\.zip: the package does not hold the files of a package"):
        read_members(tmp_path / "p.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["p.zip"]


def test_a_package_that_swells_is_refused(tmp_path):
    forged_package(tmp_path / "p.zip", ["x"], packing=zipfile.ZIP_DEFLATED)
    with pytest.raises(DamagedFile, match="packed or overlap"):
        read_manifest(tmp_path / "p.zip")
    forged_package(tmp_path / "p.zip", ["x"])
    whole = (tmp_path / "p.zip").read_bytes()
    # The directory at the end says that the member has four gigabytes.
    at = whole.rindex(b"PK\x01\x02")
    forged = whole[: at + 20] + struct.pack("<II", 2**32 - 2, 2**32 - 2) + whole[at + 28 :]
    (tmp_path / "p.zip").write_bytes(forged)
    with pytest.raises(DamagedFile, match="packed or overlap"):
        read_manifest(tmp_path / "p.zip")


@pytest.mark.parametrize(
    "change",
    [
        {"folds": 10**9}, {"folds": "1"}, {"folds": 0},
        {"settings": {"data": {}}}, {"settings": {"cache": 3, "infer": {}}},
    ],
)  # fmt: skip
def test_a_forged_manifest_is_refused(tmp_path, change):
    manifest = {"folds": 1, "schema": 1, "settings": {"cache": {}, "infer": {}}} | change
    forged_package(tmp_path / "p.zip", [], manifest)
    with pytest.raises(DamagedFile, match=r"its package\.json is not as a package has it"):
        read_manifest(tmp_path / "p.zip")


def test_settings_that_a_package_brings_are_checked_like_the_user_s(tmp_path):
    analysis = new_analysis(tmp_path)
    manifest = {"folds": 1, "schema": 1, "settings": {"cache": {"margin": 3}, "infer": {}}}
    forged_package(analysis.work / "p.zip", [], manifest)
    (analysis.work / "raw/new/7").mkdir(parents=True)
    (analysis.work / "config.yaml").write_text("model: p.zip\ndata: {labelled: null, unlabelled: raw/new}\n")
    done = analysis.run("--dry-run", check=False)
    assert done.returncode != 0
    assert "cache.margin: no such key" in done.stdout + done.stderr
