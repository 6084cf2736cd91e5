"""A data set of nnU-Net on a disk of somebody's: read as it is, and what is no patient is named once."""

import shutil

import pytest
from lunggtv.tables import read_tsv

from tests.workflow.engine import new_analysis

SETTINGS = """
data:
  labelled: Dataset001_Lung
  image: "imagesTr/{patient}_0000.nii.gz"
  label: "labelsTr/{patient}.nii.gz"
"""
DRAFTS = """
  unlabelled: Dataset001_Lung
  unlabelled_image: "imagesTs/{patient}_0000.nii.gz"
"""


@pytest.fixture(scope="module")
def analysis(tmp_path_factory, raw_cohort):
    analysis = new_analysis(tmp_path_factory.mktemp("foreign"))
    root = analysis.work / "Dataset001_Lung"
    for name in ("imagesTr", "labelsTr", "imagesTs", "$RECYCLE.BIN", "code & <b>notes"):
        (root / name).mkdir(parents=True)
    shutil.copy(raw_cohort / "labelled/2/data.nii.gz", root / "imagesTr/lung_2_0000.nii.gz")
    shutil.copy(raw_cohort / "labelled/2/label.nii.gz", root / "labelsTr/lung_2.nii.gz")
    shutil.copy(raw_cohort / "unlabelled/new1/data.nii.gz", root / "imagesTs/lung_3_0000.nii.gz")
    return analysis


@pytest.mark.parametrize(
    ("settings", "patients", "ignored"),
    [
        (
            SETTINGS,
            {"lung_2": "accepted"},
            ["$RECYCLE.BIN", "code & <b>notes", "imagesTs"],
        ),
        (
            SETTINGS + DRAFTS.lstrip("\n"),
            {"lung_2": "accepted", "lung_3": "accepted"},
            ["$RECYCLE.BIN", "code & <b>notes"],
        ),
    ],
)
def test_patients_are_those_of_the_patterns_and_the_rest_is_named_once(analysis, settings, patients, ignored):
    (analysis.work / "config.yaml").write_text(settings)
    done = analysis.run("ingest")
    words = f"Ignored, as no patient's: {', '.join(f'Dataset001_Lung/{name}' for name in ignored)}."
    assert (done.stdout + done.stderr).count(words) == 1
    verdicts = read_tsv(analysis.work / "results/ingest/verdicts.tsv")
    assert {row["patient"]: row["verdict"] for row in verdicts} == patients
    page = (analysis.work / "results/ingest/verdicts.html").read_text(encoding="utf-8")
    escaped = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#x27;")
    assert page.count(escaped) == 1
    assert analysis.reruns("ingest") == {}
