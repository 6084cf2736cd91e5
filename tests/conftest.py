"""One finished run of the whole workflow on a tiny cohort, made once and copied for every case."""

import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from tests.workflow.engine import PROJECT, Analysis, new_analysis

SETTINGS = Path(__file__).parent / "workflow/tiny.yaml"
LABELLED, UNLABELLED, FOLDS = 5, 1, 3
DICOM = "1"  # the labelled patient that comes as DICOM
MARK = "Quetzalcoatl"
MARKED_DATE = "18470613"
IDENTIFYING = (
    "PatientName", "PatientID", "OtherPatientIDs", "PatientAddress", "ReferringPhysicianName",
    "InstitutionName", "OperatorsName", "AccessionNumber", "StudyID", "StudyDescription", "SeriesDescription",
    "StationName",
)  # fmt: skip


def make_raw(folder: Path, labelled: int, unlabelled: int, *options: str) -> None:
    """Write a phantom cohort as raw patient folders."""
    command = [sys.executable, "-m", "lunggtv.phantom", str(folder), "--size", "demo", "--seed", "3"]
    command += ["--labelled", str(labelled), "--unlabelled", str(unlabelled), "--workers", "2", *options]
    subprocess.run(command, cwd=PROJECT / "workflow", check=True, capture_output=True)


@pytest.fixture(scope="session")
def raw_cohort(tmp_path_factory) -> Path:
    """Raw folders of one labelled and one unlabelled patient more than the finished run has."""
    folder = tmp_path_factory.mktemp("cohort")
    make_raw(folder, LABELLED + 1, UNLABELLED + 1, "--dicom", "1")
    for path in (folder / "labelled" / DICOM).rglob("*.dcm"):
        plant_identity(path)
    return folder


def plant_identity(path: Path) -> None:
    """Write marked values into the identifying tags of a DICOM file; UIDs are marks by themselves."""
    header = pydicom.dcmread(path)
    for keyword in IDENTIFYING:
        setattr(header, keyword, MARK)
    for keyword in ("PatientBirthDate", "StudyDate", "SeriesDate", "ContentDate"):
        setattr(header, keyword, MARKED_DATE)
    header.save_as(path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, raw_cohort) -> Analysis:
    """A finished analysis: 5 labelled patients, 1 unlabelled, 3 folds. Never change it; copy it."""
    analysis = new_analysis(tmp_path_factory.mktemp("finished"))
    for kind, count in (("labelled", LABELLED), ("unlabelled", UNLABELLED)):
        (analysis.work / "raw" / kind).mkdir(parents=True)
        for source in sorted((raw_cohort / kind).iterdir())[:count]:
            subprocess.run(["cp", "-a", source, analysis.work / "raw" / kind], check=True)
    (analysis.work / "config.yaml").write_text(SETTINGS.read_text(encoding="utf-8"), encoding="utf-8")
    analysis.run()
    return analysis


@pytest.fixture
def analysis(finished, tmp_path) -> Analysis:
    """A copy of the finished run, free to be changed."""
    return finished.copied_to(tmp_path / "copy")
