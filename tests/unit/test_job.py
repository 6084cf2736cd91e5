"""A job's words go to its log; a user's error is one message, anything else a traceback."""

import errno
import logging
import os

import pytest
from lunggtv import job
from lunggtv.errors import RejectedPatient
from lunggtv.job import logged_job


def test_a_domain_error_is_one_message_without_traceback(tmp_path, capsys):
    log = tmp_path / "logs" / "job.log"
    with pytest.raises(SystemExit) as caught, logged_job(log):
        logging.warning("patient 7: 2.0 ml lost")
        raise RejectedPatient("patient 7: label.nii.gz is empty; add the label")
    assert caught.value.code == 1
    text = log.read_text()
    assert "2.0 ml lost" in text and "label.nii.gz is empty" in text and "Traceback" not in text
    assert capsys.readouterr().err == "error: patient 7: label.nii.gz is empty; add the label\n"


def test_an_unexpected_error_keeps_its_traceback(tmp_path):
    log = tmp_path / "job.log"
    with pytest.raises(SystemExit), logged_job(log):
        raise KeyError("surprise")
    assert "Traceback" in log.read_text() and "surprise" in log.read_text()


def test_a_later_job_does_not_write_into_an_earlier_log(tmp_path):
    with logged_job(tmp_path / "a.log"):
        pass
    with logged_job(tmp_path / "b.log"):
        logging.info("hello")
    assert "hello" not in (tmp_path / "a.log").read_text()


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "No space left on device. Make space"), (errno.EROFS, "Make the folder writable")],
)
def test_what_the_machine_refuses_is_one_message(tmp_path, number, words):
    log = tmp_path / "job.log"
    with pytest.raises(SystemExit), logged_job(log):
        raise OSError(number, os.strerror(number), "results/cache/7/volume.h5")
    text = log.read_text()
    assert "results/cache/7/volume.h5: " in text and words in text and "Traceback" not in text


def test_a_file_that_has_changed_since_a_job_wrote_it_is_refused_with_the_remedy(tmp_path, capsys):
    first, second = tmp_path / "7.json", tmp_path / "8 b.json"
    with logged_job(tmp_path / "a.log", writes=[first, second]):
        first.write_text('{"threshold": 0.5}')
        second.write_text("{}")
    with logged_job(tmp_path / "b.log", reads=[first, second]):
        pass
    first.write_text('{"threshold": 0.4}')
    second.write_text("{ }")
    with pytest.raises(SystemExit), logged_job(tmp_path / "c.log", reads=[first, second]):
        raise AssertionError("the job must not begin")
    message = capsys.readouterr().err
    assert f"{first}, {second}" in message
    assert f"--forcerun {first} '{second}'" in message, "ready for the shell"


def test_a_job_that_fails_leaves_no_digest_behind(tmp_path):
    result = tmp_path / "7.json"
    with logged_job(tmp_path / "a.log", writes=[result]):
        result.write_text("1")
    with pytest.raises(SystemExit), logged_job(tmp_path / "a.log", writes=[result]):
        result.write_text("2")
        raise KeyError("surprise")
    assert list(tmp_path.glob(".*.sha256")) == []


def test_a_file_that_nobody_recorded_is_taken_as_it_is(tmp_path):
    (tmp_path / "data.nii.gz").write_bytes(b"raw")
    with logged_job(tmp_path / "a.log", reads=[tmp_path / "data.nii.gz"]):
        pass


def test_a_job_is_locked_by_the_name_of_its_log_before_it_begins(tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(job, "lock_job", begun.append)
    with job.logged_job(tmp_path / "a.log"):
        begun.append("work")
    assert begun == [str(tmp_path / "a.log"), "work"]
