"""No fold trains while a labelled patient is rejected, or a scan stands under two of them."""

import os

import pytest
from lunggtv.errors import CohortError
from lunggtv.files import write_json
from lunggtv.labelled_patients import keep_labelled, labelled_verdicts
from lunggtv.train.doubts import refuse_doubtful

from tests.unit.train_cases import train_tiny


def verdict(*reasons: tuple[str, str], slices: str = "") -> dict:
    texts = [{"code": "x", "severity": severity, "text": text} for severity, text in reasons]
    worst = "rejected" if "rejected" in dict(reasons) else "warned" if reasons else "accepted"
    return {"reasons": texts, "verdict": worst, "ct_slice_digests": list(slices), "labelled": True}


def test_all_in_doubt_are_named_with_what_to_do():
    verdicts = {
        "10": verdict(("warned", "Thick slices."), ("rejected", "Its label is empty.")),
        "2": verdict(slices="abcd"),
        "3": verdict(slices="xbcd"),
        "4": verdict(("warned", "Two parts."), slices="efgh"),
    }
    with pytest.raises(CohortError) as caught:
        refuse_doubtful(verdicts)
    first, *lines, last = str(caught.value).splitlines()
    assert "in doubt" in first and "data.exclude" in last
    assert [line.split(":")[0].strip() for line in lines] == ["2", "3", "10"]
    assert lines[2] == "  10: Its label is empty."
    assert "patient 3 (3 identical slices)" in lines[0] and "patient 2 (3 identical slices)" in lines[1]


def test_who_is_rejected_for_two_reasons_is_named_with_both():
    verdicts = {"1": verdict(("rejected", "One."), slices="abc"), "2": verdict(slices="abc")}
    with pytest.raises(CohortError, match=r"1: One\. Its CT is that of the labelled patient 2"):
        refuse_doubtful(verdicts)


def test_warnings_are_no_doubt():
    refuse_doubtful({"1": verdict(("warned", "Thick slices."), slices="abc"), "2": verdict(slices="abx")})


def test_training_reads_no_cache_of_a_doubtful_cohort(tmp_path):
    doubtful = {"7": verdict(("rejected", "Its label is empty."))}
    with pytest.raises(CohortError, match="7: Its label is empty"):
        train_tiny(tmp_path, {"1": "absent.h5"}, tmp_path / "state", verdicts=doubtful)
    assert not (tmp_path / "state").exists()


@pytest.fixture
def ingested(tmp_path, monkeypatch):
    """Verdicts of patients 1 to 4."""
    monkeypatch.chdir(tmp_path)
    for patient in "1234":
        write_json(f"ingest/{patient}/verdict.json", {"patient": patient})
    return tmp_path / "ingest"


def test_verdicts_are_those_of_the_labelled_patients_of_the_run(ingested):
    keep_labelled(["1", "3", "5"], {})
    assert labelled_verdicts("ingest", known=["2"]) == {"1": {"patient": "1"}, "3": {"patient": "3"}}


def test_a_verdict_that_is_about_to_be_made_anew_counts_once_it_is(ingested):
    stale = ingested / "1/verdict.json"
    keep_labelled(["1", "3", "5"], {"1": stale, "2": ingested / "2/verdict.json", "5": "absent"})
    assert set(labelled_verdicts("ingest", known=[])) == {"3"}
    write_json(stale, {"patient": "1", "new": True})
    os.utime(stale, ns=(0, stale.stat().st_mtime_ns + 10))
    write_json(ingested / "5/verdict.json", {"patient": "5"})
    assert labelled_verdicts("ingest", known=[])["1"] == {"patient": "1", "new": True}
    assert set(labelled_verdicts("ingest", known=[])) == {"1", "3", "5"}


def test_without_names_of_the_run_those_who_train_are_looked_at(ingested):
    assert set(labelled_verdicts("ingest", known=["2", "4", "6"])) == {"2", "4"}
