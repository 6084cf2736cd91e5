"""From structure sets to labels through the workflow alone: the right volume, or a refusal that says why."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from lunggtv.tables import read_tsv

from tests.unit.dicom_files import CtSeries, Reference, write_ct, write_rtstruct
from tests.unit.ingest_bodies import GRID, chest_hu
from tests.workflow.engine import new_analysis

SERIES = CtSeries(slices=16, rows=36, columns=44, spacing_mm=GRID.spacing_mm, origin_mm=GRID.origin_mm)
SLICES = (7, 8, 9)
VOXEL_ML = 0.384
pytestmark = pytest.mark.filterwarnings("ignore:.*for VR CS")  # types that DICOM does not know


def square(z: float, side: float = 4.0, y: float = 17.5, x: float = 29.5) -> np.ndarray:
    """A contour around ``side`` x ``side`` pixels."""
    index = [(z, y - side / 2, x - side / 2), (z, y - side / 2, x + side / 2)]
    index += [(z, y + side / 2, x + side / 2), (z, y + side / 2, x - side / 2)]
    return SERIES.grid.point_mm(index)


def on_slices(*contours: Callable[[float], np.ndarray]) -> list[np.ndarray]:
    return [contour(z) for z in SLICES for contour in contours]


def moved(points: np.ndarray, *mm: float) -> np.ndarray:
    return points + np.array(mm)


# Contours, and the voxels of the label that is right for them; 48 are three squares of 16.
RIGHT = {
    "plain": (on_slices(square), 48),
    "across": (on_slices(square, lambda z: square(z, y=19.5)), 3 * 24),
    "twice_turned": (on_slices(square, lambda z: np.roll(square(z)[::-1], 1, axis=0)), 48),
    "twice_closed": (on_slices(square, lambda z: np.vstack([square(z), square(z)[:1]])), 48),
    "twice_beside": (on_slices(square, lambda z: moved(square(z), 0.004, 0.003, 0)), 48),
    "walked_twice": (on_slices(lambda z: np.vstack([square(z), square(z)])), 48),
    "hole": (on_slices(square, lambda z: square(z, side=2.0)), 3 * 12),
    "keyhole": (
        on_slices(lambda z: np.vstack([square(z), square(z)[:1], square(z, 2.0), square(z, 2.0)[:1]])),
        3 * 12,
    ),
}
WARNED = {"across", "twice_turned", "twice_closed", "twice_beside", "walked_twice"}
KINDS = {"interpolated": "INTERPOLATED_PLANAR", "unknown": "SPLINE"}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Verdict of each patient, from the files that the run left."""
    analysis = new_analysis(tmp_path_factory.mktemp("drawn"))
    raw = analysis.work / "raw/labelled"
    for number, (patient, (contours, _)) in enumerate(RIGHT.items()):
        write_patient(raw / patient, number, contours)
    for number, (patient, kind) in enumerate(KINDS.items(), start=len(RIGHT)):
        write_patient(raw / patient, number, on_slices(square))
        dataset = pydicom.dcmread(raw / patient / "rs.dcm")
        dataset.ROIContourSequence[0].ContourSequence[1].ContourGeometricType = kind
        dataset.save_as(raw / patient / "rs.dcm")
    write_patient(raw / "unread", 20, on_slices(square))
    (raw / "unread/new.dcm").write_bytes(b"")
    write_patient(raw / "without_prefix", 21, on_slices(square))
    for path in (raw / "without_prefix").rglob("*.dcm"):
        path.write_bytes(path.read_bytes()[132:])
    done = analysis.run("ingest", check=False)
    assert done.returncode != 0, "rejected patients end the run with an error"
    rows = {row["patient"]: row for row in read_tsv(analysis.work / "results/ingest/verdicts.tsv")}
    assert sorted(rows) == sorted(path.name for path in raw.iterdir())
    found = (analysis.work / f"results/ingest/{patient}/verdict.json" for patient in rows)
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in found}


def write_patient(folder: Path, seed: int, contours: list[np.ndarray]) -> None:
    write_ct(folder, SERIES, (chest_hu(seed) + np.int16(1024)).astype(np.uint16))
    write_rtstruct(folder / "rs.dcm", {"GTV": contours}, Reference(SERIES))


@pytest.mark.parametrize("patient", RIGHT)
def test_contours_give_the_label_that_was_drawn(verdicts, patient):
    verdict = verdicts[patient]
    assert verdict["verdict"] == ("warned" if patient in WARNED else "accepted"), verdict["reasons"]
    assert verdict["gtv_ml"] == pytest.approx(RIGHT[patient][1] * VOXEL_ML)
    if patient in WARNED:
        assert "ROI 'GTV', slices 8 to 10 (z -8 to 4 mm)" in verdict["reasons"][0]["text"]


@pytest.mark.parametrize("patient", ["interpolated", "without_prefix"])
def test_what_others_write_is_read(verdicts, patient):
    assert verdicts[patient]["verdict"] == "accepted", verdicts[patient]["reasons"]
    assert verdicts[patient]["gtv_ml"] == pytest.approx(48 * VOXEL_ML)


@pytest.mark.parametrize(
    ("patient", "code", "word"),
    [("unknown", "contour_type", "SPLINE"), ("unread", "unread_files", "new.dcm")],
)
def test_what_cannot_be_judged_is_refused_by_name(verdicts, patient, code, word):
    assert verdicts[patient]["verdict"] == "rejected"
    (reason,) = verdicts[patient]["reasons"]
    assert reason["code"] == code and word in reason["text"]
