"""Two slice distances in a CT through the workflow alone: a regular grid, or a refusal with the true reason."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.unit.dicom_files import CtSeries, Reference, box, write_ct, write_rtstruct
from tests.unit.ingest_bodies import GRID, chest_hu
from tests.workflow.engine import new_analysis

SERIES = CtSeries(slices=16, rows=36, columns=44, spacing_mm=GRID.spacing_mm, origin_mm=GRID.origin_mm)
VOXEL_ML = 0.384
FINE = [0, 2, 4, *range(6, 12), 13, 15]  # planes of the grid on which slices lie
# Planes of the slices, their heights in planes, and the planes with contours.
PATIENTS = {
    "fine": (FINE, FINE, (7, 8, 9)),
    "wide": (FINE, FINE, (4, 6, 7)),
    "lost": ([z for z in range(16) if z != 4],) * 2 + ((7, 8, 9),),
    "odd": (list(range(16)), [*range(10), *(9 + 1.5 * i for i in range(1, 7))], (7, 8, 9)),
}


def write_patient(
    folder: Path, seed: int, planes: list[int], heights: list[float], drawn: tuple[int, ...]
) -> None:
    series = CtSeries(**{**vars(SERIES), "slices": len(planes)})

    def change(dataset, z):
        dataset.ImagePositionPatient = [f"{v:.9g}" for v in SERIES.grid.point_mm((heights[z], 0, 0))]

    write_ct(folder, series, (chest_hu(seed)[planes] + np.int16(1024)).astype(np.uint16), change=change)
    contours = [box(SERIES, z, (15.5, 19.5), (27.5, 31.5)) for z in drawn]
    write_rtstruct(folder / "rs.dcm", {"GTV": contours}, Reference(SERIES, by_contour=False, by_series=False))


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Verdicts as shipped, and where the label may be interpolated."""
    analysis = new_analysis(tmp_path_factory.mktemp("uneven"))
    for seed, (patient, recipe) in enumerate(PATIENTS.items()):
        write_patient(analysis.work / "raw/labelled" / patient, seed, *recipe)
    found = []
    for interpolate in ("false", "true"):
        (analysis.work / "config.yaml").write_text(f"ingest: {{interpolate_gtv: {interpolate}}}\n")
        analysis.run("ingest", check=False)
        paths = {patient: analysis.work / f"results/ingest/{patient}/verdict.json" for patient in PATIENTS}
        found.append(
            {patient: json.loads(path.read_text(encoding="utf-8")) for patient, path in paths.items()}
        )
    return found


def codes(verdict) -> list[str]:
    return [reason["code"] for reason in verdict["reasons"]]


def test_a_label_on_fine_slices_is_taken_and_the_planes_between_are_told(verdicts):
    for found in verdicts:
        assert found["fine"]["verdict"] == "warned" and codes(found["fine"]) == ["interpolated_planes"]
        assert found["fine"]["gtv_ml"] == pytest.approx(48 * VOXEL_ML)
        text = found["fine"]["reasons"][0]["text"]
        assert "lie 6 and 12 mm apart: 12 mm up to ct003.dcm (z -14 mm), 6 mm up to ct008.dcm" in text
        assert "(5 of 16)" in text


def test_a_label_between_wide_slices_waits_for_the_setting(verdicts):
    shipped, interpolated = verdicts
    assert codes(shipped["wide"]) == ["interpolated_planes", "gtv_between_slices"]
    assert shipped["wide"]["verdict"] == "rejected"
    assert "ingest.interpolate_gtv: true" in shipped["wide"]["reasons"][1]["text"]
    assert interpolated["wide"]["verdict"] == "warned"
    assert interpolated["wide"]["gtv_ml"] == pytest.approx(64 * VOXEL_ML)
    assert "gtv_interpolated" in codes(interpolated["wide"])


def test_a_lost_slice_is_missing_and_odd_distances_are_told_with_a_way_out(verdicts):
    for found in verdicts:
        assert codes(found["lost"]) == ["missing_slices"]
        assert (
            "from ct003.dcm to ct004.dcm it is 12 mm where slices lie 6 mm apart"
            in found["lost"]["reasons"][0]["text"]
        )
        assert codes(found["odd"]) == ["uneven_slices"]
        assert (
            "lie 6 and 9 mm apart: 6 mm up to ct009.dcm (z 4 mm), then 9 mm"
            in found["odd"]["reasons"][0]["text"]
        )
        assert "Resample CT and GTV together" in found["odd"]["reasons"][0]["text"]
