"""Who takes part: every name in the settings must be somebody's who is there."""

from pathlib import Path

import pytest
import yaml
from lunggtv.cohort.cohort import find_cohort, why_untrained
from lunggtv.errors import CohortError, UnusableMask
from lunggtv.evaluate.other_masks import check_places

SHIPPED = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Three labelled patients, one of them DICOM by its files' names."""
    monkeypatch.chdir(tmp_path)
    for patient in ("8", "010"):
        for name in ("data.nii.gz", "label.nii.gz"):
            path = tmp_path / "raw/labelled" / patient / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
    (tmp_path / "raw/labelled/10").mkdir()
    (tmp_path / "raw/labelled/10/ct1.dcm").write_bytes(b"x")
    return {name: dict(part) if isinstance(part, dict) else part for name, part in SHIPPED.items()}


def test_an_exclusion_is_of_that_patient_alone(config):
    config["data"]["exclude"] = {"010": "wrong scan"}
    cohort = find_cohort(config)
    assert list(cohort.patients) == ["8", "10"]
    assert cohort.excluded == {"010": "wrong scan"}
    assert set(cohort.folds) == {"8", "10"}


@pytest.mark.parametrize(("key", "value"), [("exclude", "lost"), ("series", "s1a2b3c4d")])
@pytest.mark.parametrize("patient", ["1", "08", "Zoe"])
def test_ids_that_are_not_there_are_named(config, key, value, patient):
    config["data"][key] = {patient: value}
    with pytest.raises(CohortError, match=f"data.{key} names patients that were not found: {patient}"):
        find_cohort(config)


def test_a_series_cannot_be_pinned_where_there_is_none(config):
    config["data"]["series"] = {"10": "s1a2b3c4d"}
    assert "10" in find_cohort(config).patients
    config["data"]["series"] = {"8": "s1a2b3c4d"}
    with pytest.raises(CohortError) as caught:
        find_cohort(config)
    assert str(caught.value) == (
        "data.series pins a DICOM series for patients whose CT is an image file: 8. Remove them from data.series, or "
        "the image file from their folders."
    )


def pin(config, text):
    Path("pinned.tsv").write_text(text, encoding="utf-8")
    config["folds"]["pinned"] = "pinned.tsv"
    return config


def test_pinned_ids_are_texts(config):
    folds = find_cohort(pin(config, "\ufeffpatient\tfold\r\n010\t3\r\n8\t1\r\n")).folds
    assert (folds["010"], folds["8"]) == (3, 1)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("9\t0", "folds.pinned names labelled patients that were not found: 9"),
        ("8\t7", "folds.pinned names folds outside 0..4"),
    ],
)
def test_a_table_of_folds_names_those_who_are_there(config, row, words):
    with pytest.raises(CohortError, match=words):
        find_cohort(pin(config, f"patient\tfold\n{row}\n"))


def test_two_labelled_patients_in_two_folds_can_be_trained(config):
    config["data"]["exclude"] = {"10": "lost"}
    assert why_untrained(find_cohort(config)) is None


def test_one_labelled_patient_cannot_be_trained(config):
    config["data"]["exclude"] = {"10": "lost", "8": "lost"}
    assert why_untrained(find_cohort(config)) == (
        "No model can be trained, and nobody drafted: training needs at least two labelled patients, one to learn "
        "from and one to be held out; there is only one, 010 (and 2 excluded by data.exclude). Put more of them where "
        "data.labelled says, or name a model package as model in config.yaml. The targets ingest and cache need no "
        "model."
    )


def test_unlabelled_patients_alone_cannot_be_trained(config):
    config["data"] |= {"labelled": None, "unlabelled": "raw/labelled"}
    assert "at least two labelled patients, one to learn from and one to be held out; there is none." in (
        why_untrained(find_cohort(config)) or ""
    )


def test_patients_of_one_fold_have_nobody_to_learn_from(config):
    pin(config, "patient\tfold\n8\t2\n010\t2\n10\t2\n")
    assert (
        "all 3 labelled patients are in fold 2, so that its model would have nobody to learn from. Pin them to two "
        "folds at least (folds.pinned), or name a model package"
    ) in (why_untrained(find_cohort(config)) or "")


def test_places_to_compare_with_must_be_there(tmp_path):
    (tmp_path / "masks").mkdir()
    check_places({"a": f"{tmp_path}/masks", "b": f"{tmp_path}/masks/lung_{{patient}}.nii.gz"})
    check_places({"c": f"{tmp_path}/masks/{{patient:0>3}}/gtv.nii.gz"})
    for place in ("gone", "gone/lung_{patient}.nii.gz", "gone/{patient}/gtv.nii.gz"):
        with pytest.raises(UnusableMask, match=f"evaluate.compare: tool: .*no folder {tmp_path}/gone"):
            check_places({"tool": f"{tmp_path}/{place}"})


def test_a_pattern_to_compare_with_must_be_one(tmp_path):
    with pytest.raises(UnusableMask, match=r"only \{patient\} may stand in braces"):
        check_places({"tool": f"{tmp_path}/{{foo}}/gtv.nii.gz"})
