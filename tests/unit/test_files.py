"""Files are whole or absent."""

import json
import os
from pathlib import Path

import pytest
from lunggtv.files import checked_digest, file_digest, record_digest, whole_file, write_json, write_text
from lunggtv.tables import read_tsv, write_tsv


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "model.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), whole_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError("power cut")
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["model.json"]


def test_the_temporary_name_keeps_the_suffixes(tmp_path):
    with whole_file(tmp_path / "gtv.nii.gz") as partial:
        assert partial.name.endswith(".nii.gz")
        partial.write_bytes(b"x")


def test_json_is_sorted_and_never_nan(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": None})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": null,\n  "b": 1\n}\n'
    with pytest.raises(ValueError):
        write_json(tmp_path / "b.json", {"dice": float("nan")})
    assert not (tmp_path / "b.json").exists()


def test_a_table_survives_cells_with_line_breaks(tmp_path):
    write_tsv(tmp_path / "t.tsv", ("patient", "why"), [("Müller 1", "bad\nfile\tnamed x"), ("2", None)])
    assert read_tsv(tmp_path / "t.tsv") == [
        {"patient": "Müller 1", "why": "bad file named x"},
        {"patient": "2", "why": ""},
    ]


@pytest.mark.parametrize(
    ("text", "words"), [("a\tb\ta\n", "column a stands twice"), ("a\tb\n1\n", ""), ("a\tb\n1\t2\t3\n", "")]
)
def test_a_table_with_other_cells_than_columns_is_no_table(tmp_path, text, words):
    write_text(tmp_path / "t.tsv", text)
    with pytest.raises(ValueError, match=words):
        read_tsv(tmp_path / "t.tsv")


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_folder_thereafter(tmp_path, monkeypatch):
    done, sync, rename = [], os.fsync, os.replace
    monkeypatch.setattr(
        os,
        "fsync",
        lambda number: done.append(str(Path(f"/proc/self/fd/{number}").readlink())) or sync(number),
    )
    monkeypatch.setattr(os, "replace", lambda old, new: done.append("rename") or rename(old, new))
    write_text(tmp_path / "a.txt", "x")
    assert done == [str(tmp_path / ".partial.a.txt"), "rename", str(tmp_path)]


def test_a_checked_file_is_not_read_again_for_its_digest(tmp_path, monkeypatch):
    path = tmp_path / "volume.h5"
    path.write_bytes(b"as written")
    digest = file_digest(path)
    assert checked_digest(path) == digest
    record_digest(path)
    monkeypatch.setattr("lunggtv.files.file_digest", None)
    assert checked_digest(path) == digest
