"""One finished run of the whole workflow on a tiny cohort, made once and copied for every case."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
import yaml

from tests.workflow.engine import PROJECT, Analysis, analysis_in, new_analysis

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
    command = [sys.executable, "-m", "lungphantom", str(folder), "--size", "demo", "--seed", "3"]
    command += ["--labelled", str(labelled), "--unlabelled", str(unlabelled), "--workers", "2", *options]
    subprocess.run(command, cwd=PROJECT / "workflow", check=True, capture_output=True)


def shared_folder(tmp_path_factory) -> Path:
    """The temporary folder of all processes of this test run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, made by the process that first needs it, while the others that need it wait."""
    done = folder.with_suffix(".done")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what a failed attempt left
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def raw_cohort(tmp_path_factory) -> Path:
    """Raw folders of one labelled and one unlabelled patient more than the finished run has."""
    return made_once(shared_folder(tmp_path_factory) / "cohort", make_cohort)


def make_cohort(folder: Path) -> None:
    """Write the phantoms, one as DICOM with an identity to look for."""
    make_raw(folder, LABELLED + 1, UNLABELLED + 1, "--dicom", "1")
    for path in (folder / "labelled" / DICOM).rglob("*.dcm"):
        plant_identity(path)


def plant_identity(path: Path) -> None:
    """Write marked values into the identifying tags of a DICOM file; UIDs are marks by themselves."""
    header = pydicom.dcmread(path)
    for keyword in IDENTIFYING:
        setattr(header, keyword, MARK)
    for keyword in ("PatientBirthDate", "StudyDate", "SeriesDate", "ContentDate"):
        setattr(header, keyword, MARKED_DATE)
    if "StructureSetROISequence" in header:
        roi = pydicom.Dataset()
        roi.ROINumber, roi.ROIName = 99, f"old gtv of {MARK.lower()}s 13.06.1847"
        header.StructureSetROISequence.append(roi)
    header.save_as(path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, raw_cohort) -> Analysis:
    """A finished analysis: 5 labelled patients, 1 unlabelled, 3 folds. Never change it; copy it."""

    def make(folder: Path) -> None:
        run_tiny(folder, raw_cohort, SETTINGS.read_text(encoding="utf-8"))

    return analysis_in(made_once(shared_folder(tmp_path_factory) / "finished", make))


@pytest.fixture(scope="session")
def planned(tmp_path_factory, raw_cohort) -> Analysis:
    """The same analysis with spacing and patch planned by the workflow. Never change it; copy it."""

    def make(folder: Path) -> None:
        settings = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
        del settings["cache"]["spacing_mm"], settings["train"]["patch_shape"]
        done = run_tiny(folder, raw_cohort, yaml.safe_dump(settings))
        (folder / "terminal.txt").write_text(done.stdout + done.stderr, encoding="utf-8")

    return analysis_in(made_once(shared_folder(tmp_path_factory) / "planned", make))


def run_tiny(folder: Path, raw_cohort: Path, settings: str) -> subprocess.CompletedProcess:
    """A whole run with these settings, in a new folder."""
    analysis = new_analysis(folder)
    for kind, count in (("labelled", LABELLED), ("unlabelled", UNLABELLED)):
        (analysis.work / "raw" / kind).mkdir(parents=True)
        for source in sorted((raw_cohort / kind).iterdir())[:count]:
            subprocess.run(["cp", "-a", source, analysis.work / "raw" / kind], check=True)
    (analysis.work / "config.yaml").write_text(settings, encoding="utf-8")
    return analysis.run()


@pytest.fixture
def analysis(finished, tmp_path) -> Analysis:
    """A copy of the finished run, free to be changed."""
    return finished.copied_to(tmp_path / "copy")
