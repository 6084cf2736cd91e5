"""The table of all verdicts: twins are found, nobody is missing, the rejected stop the cohort by name."""

from pathlib import Path

import pytest
from lunggtv.errors import CohortError
from lunggtv.files import write_json
from lunggtv.ingest.admit_cohort import admit_cohort
from lunggtv.ingest.collect_verdicts import collect_verdicts
from lunggtv.ingest.raw_scan import REJECTED, Reason
from lunggtv.ingest.verdict import verdict_content
from lunggtv.shared_scans import shared_scans
from lunggtv.tables import read_tsv


def verdict(folder: Path, patient: str, slices: str = "", labelled: bool = True, *reasons: Reason) -> Path:
    """A verdict file; each letter of ``slices`` is the digest of a slice."""
    facts = {
        "format": "nifti", "shape": [10, 20, 30], "spacing_mm": [5.0, 1.17, 1.17], "hu_rule": "as stored",
        "gtv_ml": 12.3456 if labelled else None, "ct_slice_digests": sorted(slices), "padding_hu": -2000,
        "gtv_parts": 3,
    }  # fmt: skip
    path = folder / patient / "verdict.json"
    write_json(path, verdict_content(patient, labelled, reasons, facts))
    return path


def table(
    folder: Path, paths: list[Path], excluded: dict[str, str] | None = None
) -> dict[str, dict[str, str]]:
    """Rows of the table by patient, in order."""
    collect_verdicts(paths, excluded or {}, folder / "verdicts.tsv")
    return {row["patient"]: row for row in read_tsv(folder / "verdicts.tsv")}


def test_one_row_a_patient_in_natural_order(tmp_path):
    warned = Reason("label_specks", "label.nii.gz has 2 specks")
    paths = [
        verdict(tmp_path, "10", "abc"),
        verdict(tmp_path, "2", "def", True, warned),
        verdict(tmp_path, "new 1", "ghi", False),
    ]
    rows = table(tmp_path, paths, {"7": "wrong\tscan"})
    assert list(rows) == ["2", "7", "10", "new 1"]
    assert rows["10"] == {
        "patient": "10", "set": "labelled", "verdict": "accepted", "codes": "", "reasons": "",
        "format": "nifti", "shape": "10 20 30", "spacing_mm": "5 1.17 1.17", "hu_rule": "as stored",
        "padding_hu": "-2000", "gtv_ml": "12.35", "gtv_parts": "3",
    }  # fmt: skip
    assert (rows["2"]["verdict"], rows["2"]["codes"]) == ("warned", "label_specks")
    assert rows["2"]["reasons"] == "label.nii.gz has 2 specks."
    said = {"patient": "7", "verdict": "excluded", "reasons": "wrong scan"}
    assert rows["7"] == dict.fromkeys(rows["7"], "") | said
    assert (rows["new 1"]["set"], rows["new 1"]["gtv_ml"]) == ("unlabelled", "")


def test_the_same_ct_under_two_patients_rejects_both(tmp_path, caplog):
    paths = [verdict(tmp_path, "1", "abcd"), verdict(tmp_path, "2", "efgh"), verdict(tmp_path, "3", "abcd")]
    rows = table(tmp_path, paths)
    assert [row["verdict"] for row in rows.values()] == ["rejected", "accepted", "rejected"]
    assert "labelled patient 3 (4 identical slices)" in rows["1"]["reasons"]
    assert "labelled patient 1" in rows["3"]["reasons"]
    assert "data.exclude" in rows["1"]["reasons"]
    assert rows["1"]["codes"] == "same_ct"
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == [f"Patient {one} is rejected. {rows[one]['reasons']}" for one in ("1", "3")]


def test_the_same_ct_labelled_and_unlabelled(tmp_path):
    rows = table(tmp_path, [verdict(tmp_path, "1", "abcd"), verdict(tmp_path, "new1", "abcd", False)])
    assert "unlabelled patient new1" in rows["1"]["reasons"]
    assert "labelled patient 1" in rows["new1"]["reasons"]


def test_a_shortened_copy_is_the_same_scan_but_two_slices_are_not():
    def content(slices: str) -> dict:
        return {"labelled": True, "ct_slice_digests": sorted(slices)}

    assert set(shared_scans({"1": content("abcdefgh"), "2": content("cde")})) == {"1", "2"}
    assert set(shared_scans({"1": content("abcdefgh"), "2": content("fghijklm")})) == {"1", "2"}
    assert shared_scans({"1": content("abcdefgh"), "2": content("ghijklmn")}) == {}
    assert shared_scans({"1": content("abcdefgh"), "2": content("cdxyz")}) == {}
    assert set(shared_scans({"1": content("ab"), "2": content("abc")})) == {"1", "2"}
    assert shared_scans({"1": content(""), "2": content("")}) == {}


def test_three_of_a_kind_each_name_the_other_two():
    same = {"labelled": True, "ct_slice_digests": ["a", "b", "c"]}
    texts = shared_scans({"10": same, "1": same, "2": same})
    assert [len(texts[patient]) for patient in ("1", "2", "10")] == [2, 2, 2]
    assert "patient 2 " in texts["10"][1] and "patient 1 " in texts["10"][0]


def test_admission_lists_the_accepted_and_warned(tmp_path):
    warned = Reason("no_orientation", "x")
    table(
        tmp_path, [verdict(tmp_path, "10", "abc"), verdict(tmp_path, "2", "def", True, warned)], {"3": "no"}
    )
    admit_cohort(table_path=tmp_path / "verdicts.tsv", admitted_path=tmp_path / "admitted.txt")
    assert (tmp_path / "admitted.txt").read_text() == "2\n10\n"


def test_admission_stops_with_every_rejected_patient_and_both_remedies(tmp_path):
    bad = Reason("label_empty", "label.nii.gz is empty", REJECTED)
    paths = [
        verdict(tmp_path, "1", "abc"),
        verdict(tmp_path, "2", "", True, bad),
        verdict(tmp_path, "10", "abc"),
    ]
    table(tmp_path, paths)
    with pytest.raises(CohortError) as caught:
        admit_cohort(table_path=tmp_path / "verdicts.tsv", admitted_path=tmp_path / "admitted.txt")
    lines = str(caught.value).splitlines()
    assert lines[0] == "3 of 3 patients are rejected:"
    assert lines[2] == "  2: label.nii.gz is empty."
    assert lines[1].startswith("  1: Its CT") and lines[3].startswith("  10: Its CT")
    assert lines[4] == (
        "Mend their files and run again, or name them under data.exclude with your reason, such as "
        '{"1": "wrong scan"}. With --keep-going the others go on meanwhile.'
    )
    assert not (tmp_path / "admitted.txt").exists()


def test_the_table_s_log_proposes_a_spacing(tmp_path, caplog):
    caplog.set_level("INFO")
    table(tmp_path, [verdict(tmp_path, "1", "abc")])
    assert caplog.messages == ["These scans propose cache.spacing_mm: [5.0, 1.17, 1.17] (z, y, x)."]


def test_it_proposes_none_where_every_patient_is_the_twin_of_another(tmp_path, caplog):
    caplog.set_level("INFO")
    table(tmp_path, [verdict(tmp_path, "1", "abc"), verdict(tmp_path, "2", "abc")], {"3": "lost"})
    assert "propose cache.spacing_mm" not in caplog.text


def test_folders_that_are_no_patients_are_told_and_have_no_row(tmp_path, caplog):
    collect_verdicts([verdict(tmp_path, "1", "abc")], {}, tmp_path / "verdicts.tsv", "Ignored: raw/imagesTs.")
    assert [row["patient"] for row in read_tsv(tmp_path / "verdicts.tsv")] == ["1"]
    assert caplog.text.count("Ignored: raw/imagesTs.") == 1
