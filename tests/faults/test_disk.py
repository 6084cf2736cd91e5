"""A full or read-only disk: a clear error, no half file, and the same command goes on when it is mended."""

import errno
import shutil

import numpy as np
import pytest
import torch
from lunggtv.figures import save_png, save_svg
from lunggtv.files import write_json
from lunggtv.geometry import Grid
from lunggtv.infer.prediction_file import Prediction, write_prediction
from lunggtv.model.weights import save_tensors
from lunggtv.nifti_files import write_nifti
from lunggtv.package.package_file import member_names, write_package
from lunggtv.tables import write_tsv
from lunggtv.volume import Volume, write_volume
from matplotlib.figure import Figure

from tests.faults.chaos import differences
from tests.faults.disk import FILLER, mounted

GRID = Grid((8, 64, 64), (5.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
NOISE = np.random.default_rng(0).integers(-1000, 1000, GRID.shape).astype("i2")
SPARE_BYTES = 8192  # less than any of the files below


def figure():
    drawn = Figure()
    drawn.add_subplot().imshow(NOISE[0])
    return drawn


# Every way in which a stage writes.
WRITERS = {
    "volume.h5": lambda path: write_volume(path, "cache", Volume("7", NOISE, GRID)),
    "prediction.h5": lambda path: write_prediction(
        path, Prediction("7", NOISE[None].astype("u2"), GRID, [{}])
    ),
    "weights.safetensors": lambda path: save_tensors(path, {"w": torch.from_numpy(NOISE)}),
    "gtv.nii.gz": lambda path: write_nifti(path, NOISE, GRID),
    "7.png": lambda path: save_png(figure(), path),
    "dice.svg": lambda path: save_svg(figure(), path),
    "metrics.tsv": lambda path: write_tsv(path, ("a",), [[int(n)] for n in NOISE.reshape(-1)]),
    "summary.json": lambda path: write_json(path, NOISE.tolist()),
    "package.zip": lambda path: write_package(
        path, {name: NOISE.tobytes() for name in member_names(1)}, 1, {}
    ),
}


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    with mounted(tmp_path_factory.mktemp("disk"), size_mb=4) as small:
        yield small


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_old_file_and_no_half_one(disk, tmp_path, name):
    path = disk.folder / name
    path.write_bytes(b"old")
    disk.fill(SPARE_BYTES)
    try:
        with pytest.raises(OSError) as caught:
            WRITERS[name](path)
        assert caught.value.errno == errno.ENOSPC
        assert path.read_bytes() == b"old"
        assert sorted(p.name for p in disk.folder.iterdir()) == sorted([FILLER, name])
        disk.free()
        WRITERS[name](path)
        WRITERS[name](tmp_path / name)
        assert path.read_bytes() == (tmp_path / name).read_bytes()
    finally:
        disk.free()
        path.unlink()


@pytest.mark.parametrize("name", WRITERS)
def test_a_read_only_disk_is_told(disk, name):
    disk.make_writable(False)
    try:
        with pytest.raises(OSError) as caught:
            WRITERS[name](disk.folder / name)
        assert caught.value.errno == errno.EROFS
    finally:
        disk.make_writable(True)


# An output of each rule, to be lost and made again.
LOSSES = {
    "ingest_patient": "results/ingest/2/volume.h5",
    "cache_patient": "results/cache/2/volume.h5",
    "train_fold": "results/train/fold0/weights.safetensors",
    "validate_fold": "results/train/fold0/model.json",
    "predict_patient": "results/infer/2/prediction.h5",
    "calibrate_drafts": "results/infer/calibration.json",
    "infer_patient": "results/infer/2/gtv.nii.gz",
    "write_rtstruct": "results/infer/1/gtv.dcm",
    "evaluate_patient": "results/evaluate/2.json",
    "summarise_metrics": "results/evaluate/summary.json",
    "collect_verdicts": "results/ingest/verdicts.tsv",
}


def refuse_and_go_on(analysis, finished, disk, rule):
    """Lose an output of the rule, make it again on a full disk, then on a free one."""
    target = LOSSES[rule]
    (analysis.work / target).unlink()
    shutil.rmtree(analysis.work / "train_state")
    disk.fill()
    done = analysis.run(target, check=False)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "No space left on device. Make space and run snakemake again" in output, output
    assert f"Error in rule {rule}" in output
    assert not (analysis.work / target).exists()
    disk.free()
    analysis.run(target)
    assert differences(analysis, finished) == []
    assert analysis.reruns() == {}


def on_small_disk(finished, folder):
    """A copy of the finished run whose results lie on a small disk."""
    analysis = finished.copied_to(folder)
    shutil.rmtree(analysis.work / "results")
    (analysis.work / "results").mkdir()
    return analysis


@pytest.mark.parametrize(
    "rule",
    [r if r == "cache_patient" else pytest.param(r, marks=pytest.mark.long) for r in LOSSES],
)
def test_a_stage_on_a_full_disk_says_so_and_goes_on(finished, tmp_path, campaign, rule):
    analysis = on_small_disk(finished, tmp_path / "copy")
    with mounted(analysis.work / "results", size_mb=64) as small:
        shutil.copytree(finished.work / "results", analysis.work / "results", dirs_exist_ok=True)
        refuse_and_go_on(analysis, finished, small, rule)
    campaign.append(
        (f"results on a full disk: {rule}", "one message, no half file; same bytes once there was space")
    )


@pytest.mark.long
def test_a_disk_full_for_snakemake_too(finished, tmp_path, campaign):
    with mounted(tmp_path / "disk", size_mb=128) as small:
        analysis = finished.copied_to(tmp_path / "disk/copy")
        shutil.rmtree(analysis.work / "results/evaluate")
        small.fill()
        done = analysis.run(check=False)
        assert done.returncode != 0
        assert "No space left on device" in done.stdout + done.stderr
        small.free()
        analysis.run()
        assert differences(analysis, finished) == []
        assert analysis.reruns() == {}
    campaign.append(
        ("the whole working directory on a full disk", "an error; same bytes once there was space")
    )


@pytest.mark.long
def test_read_only_results_are_told_and_nothing_is_lost(finished, tmp_path, campaign):
    analysis = on_small_disk(finished, tmp_path / "copy")
    with mounted(analysis.work / "results", size_mb=64) as small:
        shutil.copytree(finished.work / "results", analysis.work / "results", dirs_exist_ok=True)
        # What is there already is seen before any job starts; what is missing, by the job that makes it.
        for words, said in (
            (
                ["--forcerun", "evaluate_patient", "--until", "evaluate_patient"],
                "Write-protected output files",
            ),
            (["results/infer/1/gtv.dcm"], "Read-only file system"),
        ):
            small.make_writable(False)
            done = analysis.run(*words, check=False)
            small.make_writable(True)
            assert done.returncode != 0
            assert said in done.stdout + done.stderr, done.stderr
            (analysis.work / "results/infer/1/gtv.dcm").unlink(missing_ok=True)
        analysis.run()
        assert differences(analysis, finished) == []
    campaign.append(("results made read-only", "an error; same bytes once they were writable"))
