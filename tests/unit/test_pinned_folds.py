"""Folds that the user fixes: whatever wrote the table, its rows are read right, or the line is named."""

import pytest
from lunggtv.cohort.pinned_folds import read_pinned
from lunggtv.errors import CohortError

WANTED = {"010": 3, "Zoë 7": 1}
TABLE = "patient\tfold\n010\t3\nZoë 7\t1\n"


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        TABLE.rstrip().encode(),
        TABLE.encode("utf-8-sig"),
        TABLE.encode("utf-16"),
        b"\xfe\xff" + TABLE.encode("utf-16-be"),
        TABLE.replace("\n", "\r\n").encode("utf-8-sig"),
        TABLE.replace("\n", "\r").encode(),
        ("\n\n" + TABLE.replace("\n", "\n\t\n \n")).encode(),
        TABLE.replace("\n", "\t\t\n").encode(),
        "fold\tcentre\tpatient\tnote\n3\t\t010\n1\tnorth\tZoë 7\tmoved\n".encode(),
        "patient\tfold\tnote\n010\t3\nZoë 7\t1\n".encode(),
        '"patient"\t"fold"\n"010"\t"3"\n Zoë 7 \t 1 \n'.encode(),
    ],
)
def test_a_table_as_editors_and_spreadsheets_write_it(tmp_path, content):
    (tmp_path / "pinned.tsv").write_bytes(content)
    assert read_pinned(tmp_path / "pinned.tsv") == WANTED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("\n \n", "it is empty"),
        ("patient\n8\n", "the column fold is missing; its first line is 'patient'"),
        ("patient,fold\n8,1\n", "the column patient is missing; its first line is 'patient,fold'"),
        ("patient\tfold\n8\n", "line 2 has no fold"),
        ("patient\tfold\n\n8\t\n", "line 3 has no fold"),
        ("patient\tfold\n\t1\n", "line 2 names no patient"),
        ("patient\tfold\n8\t1\t2\n", "line 2 has 3 cells for 2 columns"),
        ("patient\tfold\n8\t1.5\n", "line 2: '1.5' is no fold"),
        ("patient\tfold\n8\t0_1\n", "line 2: '0_1' is no fold"),
        ("patient\tfold\n8\t-1\n", "line 2: '-1' is no fold"),
        ("patient\tfold\n8\t٣\n", "line 2: '٣' is no fold"),
        ("patient\tfold\tpatient\n8\t1\t010\n", "column patient stands twice"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path, text, words):
    (tmp_path / "pinned.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(
        CohortError, match=r"folds\.pinned: .*pinned\.tsv must be a tab-separated table"
    ) as caught:
        read_pinned(tmp_path / "pinned.tsv")
    assert words in str(caught.value)


def test_a_patient_twice_is_named(tmp_path):
    (tmp_path / "pinned.tsv").write_text("patient\tfold\n8\t1\n010\t1\n8\t2\n", encoding="utf-8")
    with pytest.raises(CohortError, match="names patients more than once: 8"):
        read_pinned(tmp_path / "pinned.tsv")


def test_bytes_of_no_text_are_refused(tmp_path):
    (tmp_path / "pinned.tsv").write_bytes(b"patient\tfold\nZo\xeb\t1\n")
    with pytest.raises(CohortError, match="can't decode byte 0xeb"):
        read_pinned(tmp_path / "pinned.tsv")


def test_a_missing_table_is_named():
    with pytest.raises(CohortError, match=r"folds\.pinned: nowhere\.tsv"):
        read_pinned("nowhere.tsv")
