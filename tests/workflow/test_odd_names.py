"""Names of files that are not UTF-8 through the workflow alone: a verdict, and no traceback of ours."""

import os
from dataclasses import replace

import numpy as np
from lunggtv.tables import read_tsv

from tests.unit.dicom_files import CtSeries, Reference, box, write_ct, write_rtstruct
from tests.unit.ingest_bodies import GRID, chest_hu, write_pair
from tests.workflow.engine import new_analysis

SERIES = CtSeries(slices=16, rows=36, columns=44, spacing_mm=GRID.spacing_mm, origin_mm=GRID.origin_mm)
ODD = os.fsdecode(b"Sch\xe9del")


def test_patients_with_files_of_odd_names_get_their_verdicts(tmp_path) -> None:
    analysis = new_analysis(tmp_path)
    folder = analysis.work / "raw/labelled/two"
    for seed, (name, series) in enumerate({"ct": SERIES, ODD: replace(SERIES, number=2, frame=2)}.items()):
        write_ct(folder / name, series, (chest_hu(seed) + np.int16(1024)).astype(np.uint16))
    contours = [box(SERIES, z, (15.5, 19.5), (27.5, 31.5)) for z in (7, 8, 9)]
    write_rtstruct(folder / "rs.dcm", {"GTV": contours}, Reference(SERIES))
    for seed, patient in enumerate(("image", "cut"), start=2):
        image = write_pair(analysis.work / "raw/labelled" / patient, chest_hu(seed)).image
        assert image is not None
        odd = image.rename(image.with_name(f"data_{ODD}.nii.gz"))
        if patient == "cut":
            odd.write_bytes(odd.read_bytes()[:-100])
    (analysis.work / "config.yaml").write_text('data: {image: "{patient}/data*.nii.gz"}\n')
    analysis.run("ingest", check=False)
    rows = {row["patient"]: row for row in read_tsv(analysis.work / "results/ingest/verdicts.tsv")}
    assert {patient: row["verdict"] for patient, row in rows.items()} == {
        "two": "accepted",
        "image": "accepted",
        "cut": "rejected",
    }
    assert "(1): from Sch\\xe9del/ct000.dcm on" in rows["two"]["reasons"]
    assert "data_Sch\\xe9del.nii.gz" in rows["cut"]["reasons"]
    log = (analysis.work / "logs/ingest_patient/cut.log").read_text(encoding="utf-8")
    assert "data_Sch\\xe9del.nii.gz" in log and "Traceback" not in log
