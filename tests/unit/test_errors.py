"""What the machine refuses keeps its own words: it is no damage, and nothing is deleted or done anew for it."""

import errno
import fcntl
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from lunggtv.errors import DamagedFile, refusal_behind, words_of
from lunggtv.infer.prediction_file import read_prediction
from lunggtv.model.weights import load_card
from lunggtv.train.cases import count_voxels
from lunggtv.train.state import keep_finished, load_state, restore_finished, save_state
from lunggtv.volume import read_volume, write_volume

from tests.unit import dicom_files
from tests.unit.ingest_bodies import ingest, write_pair
from tests.unit.test_volume import volume

SICK = Path("/proc/self/mem")  # its first bytes cannot be read: EIO
needs_sick = pytest.mark.skipif(not SICK.exists(), reason="no file whose reading fails")


def fall_ill(path: Path) -> None:
    """From now on reading the file is an input/output error."""
    path.unlink()
    path.symlink_to(SICK)


def own_words(error: BaseException, path: Path | None, number: int = errno.EIO) -> bool:
    text = words_of(error)
    return text is not None and text.startswith(
        f"{path}: {os.strerror(number)}. " if path else "A file of this job"
    )


@needs_sick
@pytest.mark.parametrize(
    "read",
    [lambda p: read_volume(p, "cache"), lambda p: count_voxels({"4": str(p)}), read_prediction, load_card],
)
def test_a_file_that_cannot_be_read_now_is_not_told_as_damaged(tmp_path, read):
    (tmp_path / "file").touch()
    fall_ill(tmp_path / "file")
    with pytest.raises(Exception) as caught:
        read(tmp_path / "file")
    # Python does not say which file it was; HDF5's reader does.
    assert own_words(caught.value, None if read is load_card else tmp_path / "file")
    assert "See to the disk or the network share" in words_of(caught.value)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EDQUOT, errno.ESTALE, errno.EMFILE, errno.ENOLCK])
def test_what_hdf5_is_refused_is_told_with_the_path(tmp_path, monkeypatch, number):
    write_volume(tmp_path / "7/volume.h5", "cache", volume())

    def refuse(*_, **__):
        raise OSError(number, "Unable to synchronously open file (errno = 13)")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(DamagedFile) as caught:
        read_volume(tmp_path / "7/volume.h5", "cache")
    assert own_words(caught.value, tmp_path / "7/volume.h5", number)
    assert "Delete" not in words_of(caught.value)


def test_damage_is_still_told_as_damage(tmp_path):
    for content, name in ((b"no HDF5", "torn.h5"), (None, "missing.h5")):
        if content:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DamagedFile, match="Delete the file") as caught:
            read_volume(tmp_path / name, "cache")
        assert refusal_behind(caught.value) is None and words_of(caught.value) == str(caught.value)


def test_what_has_no_words_keeps_its_traceback():
    assert words_of(KeyError("surprise")) is None
    assert words_of(OSError(errno.EISDIR, "Is a directory", "x")) is None
    behind = ValueError("surprise")
    behind.__cause__ = OSError(errno.EACCES, "Permission denied", "x")
    assert words_of(behind) is None, "what is not the user's to mend"


def test_volumes_are_read_on_file_systems_without_locks(tmp_path):
    path = tmp_path / "7/volume.h5"
    write_volume(path, "cache", volume())
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # whoever asks for a lock of HDF5's kind is refused
        with pytest.raises(OSError, match="unable to lock file"):
            h5py.File(path, "r")
        assert np.array_equal(read_volume(path, "cache").ct, volume().ct)
        with pytest.raises(DamagedFile, match="passes is not an array"):
            read_prediction(path)


@needs_sick
@pytest.mark.parametrize("name", ["state-00000006.json", "state-00000006.safetensors"])
def test_a_state_that_cannot_be_read_now_is_not_left_aside(tmp_path, name):
    """The one before it would cost hours, and in the end both are pruned."""
    for step in (5, 6):
        save_state(tmp_path, step, {"a": torch.full((3,), float(step))}, {"x": step})
    fall_ill(tmp_path / name)
    with pytest.raises(OSError) as caught:
        load_state(tmp_path)
    assert caught.value.errno == errno.EIO


@needs_sick
def test_a_finished_fold_that_cannot_be_read_now_is_not_trained_anew(tmp_path):
    (tmp_path / "card.json").write_text("{}")
    keep_finished(tmp_path / "state", {"card.json": tmp_path / "card.json"})
    fall_ill(tmp_path / "state/finished/card.json")
    with pytest.raises(OSError) as caught:
        restore_finished(tmp_path / "state", {"card.json": tmp_path / "card.json"})
    assert caught.value.errno == errno.EIO


@needs_sick
@pytest.mark.parametrize("name", ["data.nii.gz", "label.nii.gz"])
def test_an_image_that_cannot_be_read_now_gets_no_verdict(tmp_path, name):
    files = write_pair(tmp_path / "7")
    fall_ill(tmp_path / "7" / name)
    with pytest.raises(OSError) as caught:
        ingest(files, tmp_path)
    assert caught.value.errno == errno.EIO and not (tmp_path / "verdict.json").exists()


@needs_sick
def test_a_slice_that_cannot_be_read_now_gets_no_verdict(tmp_path):
    series = dicom_files.CtSeries()
    dicom_files.write_ct(tmp_path / "7", series)
    fall_ill(sorted((tmp_path / "7").iterdir())[3])
    with pytest.raises(OSError) as caught:
        ingest(dicom_files.patient_files(tmp_path / "7", labelled=False), tmp_path)
    assert caught.value.errno == errno.EIO and not (tmp_path / "verdict.json").exists()
