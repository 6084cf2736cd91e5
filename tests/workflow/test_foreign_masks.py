"""Masks and segmentations of other tools on a DICOM CT, from raw folders to results: the RTSTRUCT's label again."""

import json
import shutil

import numpy as np
import pydicom
import pytest
import yaml
from highdicom import UID
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentationTypeValues, SegmentDescription
from lunggtv.geometry import Grid, Orientation
from lunggtv.image_files import write_image
from lunggtv.volume import read_volume
from pydicom.sr.codedict import codes

from tests.conftest import DICOM, MARK, MARKED_DATE
from tests.unit.scaled_files import write_scaled
from tests.workflow.engine import new_analysis

pytestmark = pytest.mark.filterwarnings("ignore:The string")  # of a name in one piece
LAS = Orientation((0, 1, 2), (False, True, False))
CORONAL = Orientation((1, 0, 2), (False, True, True))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, raw_cohort):
    """One DICOM patient four ways: with its RTSTRUCT, a mask beside it, a segmentation, and all of them."""
    analysis = new_analysis(tmp_path_factory.mktemp("foreign"))
    raw = analysis.work / "raw/labelled"
    for patient in ("drawn", "mask", "seg", "all"):
        shutil.copytree(raw_cohort / "labelled" / DICOM, raw / patient)
    settings = {
        "data": {"label": "{patient}/masks/gtv.nrrd"},
        # Twins, of whom none is accepted: nobody could propose a spacing.
        "cache": {"spacing_mm": [5, 1.17, 1.17], "lungs": "{patient}/masks/lungs.nii.gz"},
        "evaluate": {"compare": {"tool": "tool"}},
        "folds": {"count": 2},
    }
    (analysis.work / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (analysis.work / "tool").mkdir()
    analysis.run("results/ingest/drawn/verdict.json")
    volume = read_volume(analysis.work / "results/ingest/drawn/volume.h5", "ingest")
    stored = Orientation.from_dict(volume.metadata["orientation"]).undo(volume.label)
    grid = Grid.from_dict(volume.metadata["original"])
    for patient in ("mask", "all"):
        (raw / patient / "masks").mkdir()
        write_image(raw / patient / "masks/gtv.nrrd", LAS.apply(stored), LAS.apply_to_grid(grid))
        # Any box that the body can hold: what matters is where it comes back.
        lungs = np.zeros_like(stored)
        lungs[4:20, 20:60, 10:50] = 1
        write_image(raw / patient / "masks/lungs.nii.gz", CORONAL.apply(lungs), CORONAL.apply_to_grid(grid))
    for patient in ("seg", "all"):
        write_segmentation(raw / patient, stored)
    for patient in ("mask", "seg"):
        (raw / patient / "rtstruct.dcm").unlink()
    write_scaled(analysis.work / "tool/mask.nii.gz", LAS.apply(stored).astype(float), LAS.apply_to_grid(grid))
    results = [f"results/ingest/{patient}/verdict.json" for patient in ("mask", "seg", "all")]
    analysis.run(*results, "results/cache/mask/crop.json", "results/compare/tool/mask.json")
    return analysis, volume.label


def write_segmentation(folder, stored: np.ndarray) -> None:
    """The label as segment 2 beside the slices' upper half as segment 1, as highdicom writes it."""
    images = [pydicom.dcmread(path) for path in (folder / "ct").iterdir()]
    images.sort(key=lambda image: float(image.ImagePositionPatient[2]))
    for image in images:
        for keyword in (
            "PatientSex",
            "PatientBirthDate",
            "AccessionNumber",
            "StudyID",
            "StudyTime",
            "ReferringPhysicianName",
        ):
            if keyword not in image:
                setattr(image, keyword, "")
    half = np.zeros_like(stored)
    half[:, : stored.shape[1] // 2] = 1
    algorithm = AlgorithmIdentificationSequence("a", codes.DCM.ArtificialIntelligence, "1")
    segments = [
        SegmentDescription(number, label, codes.SCT.Tissue, codes.SCT.Tissue, "AUTOMATIC", algorithm)
        for number, label in ((1, f"Half of {MARK}"), (2, "GTV-1"))
    ]
    written = Segmentation(
        images, np.stack([half, stored], -1), SegmentationTypeValues.BINARY, segments, UID(), 1, UID(), 1, "a", "b",
        "1", "c",
    )  # fmt: skip
    written.save_as(folder / "gtv_seg.dcm")


@pytest.mark.parametrize("patient", ["mask", "seg", "all"])
def test_the_label_is_that_of_the_structure_set_voxel_by_voxel(finished, patient):
    analysis, label = finished
    volume = read_volume(analysis.work / f"results/ingest/{patient}/volume.h5", "ingest")
    assert label.any() and np.array_equal(volume.label, label)


def test_what_was_not_taken_is_named(finished):
    analysis, _ = finished
    said = {
        patient: json.loads((analysis.work / f"results/ingest/{patient}/verdict.json").read_text("utf-8"))
        for patient in ("mask", "seg", "all")
    }
    assert said["mask"]["digests"].keys() == {"label"} and said["seg"]["digests"].keys() == {"segmentation"}
    told = [one["text"] for one in said["all"]["reasons"] if one["code"] == "other_gtv_left_out"]
    assert len(told) == 2 and "'GTV-1'" in told[1] and all("gtv.nrrd was taken" in text for text in told)
    for text in map(json.dumps, said.values()):
        assert MARK not in text and MARKED_DATE not in text


def test_lungs_and_another_tool_s_mask_are_turned_too(finished):
    analysis, _ = finished
    scores = json.loads((analysis.work / "results/compare/tool/mask.json").read_text("utf-8"))
    assert scores["dice"] == 1.0 and scores["hd_mm"] == 0.0
    crop = json.loads((analysis.work / "results/cache/mask/crop.json").read_text("utf-8"))
    volume = read_volume(analysis.work / "results/ingest/mask/volume.h5", "ingest")
    voxel_ml = float(np.prod(volume.grid.spacing_mm)) / 1000
    assert crop["lungs_ml"] == pytest.approx(16 * 40 * 40 * voxel_ml, rel=0.2)


def test_an_edit_of_the_mask_reads_the_patient_again(finished, tmp_path):
    analysis = finished[0].copied_to(tmp_path / "copy")
    target = "results/ingest/mask/verdict.json"
    assert analysis.reruns(target) == {}
    path = analysis.work / "raw/labelled/mask/masks/gtv.nrrd"
    path.write_bytes(path.read_bytes() + b"\0")
    assert analysis.reruns(target) == {"ingest_patient": 1}
