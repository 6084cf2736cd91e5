"""Names of files with bytes that are not UTF-8, as old archives unpack them: read like any other, and told."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from lunggtv.errors import RejectedPatient
from lunggtv.files import write_json, write_text
from lunggtv.hdf5 import new_file, read_text
from lunggtv.hdf5 import write_text as write_attribute
from lunggtv.image_files import read_image
from lunggtv.ingest.collect_verdicts import collect_verdicts
from lunggtv.patient_files import PatientFiles
from lunggtv.table_pages import write_table_page
from lunggtv.volume import read_volume
from lunggtv.wording import readable
from pydicom.uid import JPEG2000Lossless

from tests.unit.dicom_files import CtSeries, Reference, box, patient_files, write_ct, write_rtstruct
from tests.unit.ingest_bodies import GRID, chest_hu, gtv_mask, ingest, write_pair

WORKFLOW = Path(__file__).parents[2] / "workflow"
ODD = os.fsdecode(b"Sch\xe9del")
CT = CtSeries(
    slices=16,
    rows=36,
    columns=44,
    spacing_mm=GRID.spacing_mm,
    origin_mm=GRID.origin_mm,
    syntax=JPEG2000Lossless,
)


def dicom_patient(folder: Path) -> PatientFiles:
    """A chest, compressed, in a folder of an odd name, with its structure set."""
    write_ct(folder / ODD, CT, (chest_hu() + 1024).astype("uint16"))
    gtv = [box(CT, z, (15.5, 19.5), (27.5, 31.5)) for z in (6, 7, 8, 9)]
    write_rtstruct(folder / "rs.dcm", {"GTV": gtv}, Reference(CT))
    return patient_files(folder)


def test_a_readable_text_shows_bytes() -> None:
    assert readable(os.fsdecode(b"a\xe9/b\x80\xc3\xa4.dcm")) == "a\\xe9/b\\x80ä.dcm"


def test_a_ct_in_a_folder_of_an_odd_name_is_read(tmp_path: Path) -> None:
    outcome = ingest(dicom_patient(tmp_path / "7"), tmp_path / "out")
    assert outcome.codes == []
    volume = read_volume(outcome.volume, "ingest")
    assert volume.label is not None and volume.label.sum() == 4 * 16
    assert (volume.ct == chest_hu()).all()


def test_a_file_of_an_odd_name_is_told_wherever_ingest_writes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dicom_patient(tmp_path / ODD)
    (tmp_path / ODD / ODD / "ct099.dcm").write_bytes(b"")
    outcome = ingest(patient_files(tmp_path / ODD), tmp_path / "out")
    told = "Sch\\xe9del/ct099.dcm: empty, or perhaps DICOM"
    assert outcome.codes == ["unread_files"] and outcome.words.startswith(told)
    assert told in caplog.text and f"Folder: {tmp_path}/Sch\\xe9del" in caplog.text
    with pytest.raises(RejectedPatient) as refused:
        read_volume(outcome.volume, "ingest")
    assert told in str(refused.value)
    (verdict,) = (tmp_path / "out").rglob("verdict*.json")
    table, page = tmp_path / "verdicts.tsv", tmp_path / "verdicts.html"
    collect_verdicts([verdict], {}, table)
    write_table_page(table_path=table, page_path=page, title="Verdicts")
    assert told in table.read_text() and told in page.read_text()


@pytest.mark.parametrize("suffix", [".nii.gz", ".mhd"])
def test_an_image_in_a_folder_of_an_odd_name_is_read(tmp_path: Path, suffix: str) -> None:
    """ITK ends the process at such a path."""
    files = write_pair(tmp_path / "plain", suffix=suffix)
    folder = (tmp_path / "plain").rename(tmp_path / ODD)
    assert files.image is not None and files.label is not None
    image, label = folder / files.image.name, folder / files.label.name
    files = replace(files, folder=folder, files=(image, label), image=image, label=label)
    outcome = ingest(files, tmp_path / "out")
    assert outcome.codes == []
    assert (read_volume(outcome.volume, "ingest").label == gtv_mask()).all()


def test_an_image_of_an_odd_name_is_read_or_told(tmp_path: Path) -> None:
    files = write_pair(tmp_path)
    assert files.image is not None
    odd = files.image.rename(tmp_path / f"{ODD}.nii.gz")
    assert (read_image(odd)[0] == chest_hu()).all()
    assert ingest(replace(files, image=odd), tmp_path / "out").codes == []
    content = bytearray(odd.read_bytes())
    odd.write_bytes(content[: len(content) // 2])
    outcome = ingest(replace(files, image=odd), tmp_path / "out")
    assert outcome.verdict["verdict"] == "rejected" and "Sch\\xe9del.nii.gz" in outcome.words
    assert "/tmp" not in outcome.words and str(tmp_path) not in outcome.words


def test_a_problem_of_the_folder_is_told(tmp_path: Path) -> None:
    files = PatientFiles("7", True, tmp_path, (), None, None, f"{ODD}.zip is packed.")
    assert ingest(files, tmp_path / "out").words == "Sch\\xe9del.zip is packed."


def test_writers_take_any_name(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", ODD)
    assert (tmp_path / "a.txt").read_bytes() == b"Sch\\udce9del"
    write_json(tmp_path / "a.json", {ODD: ODD})
    assert json.loads((tmp_path / "a.json").read_text()) == {ODD: ODD}
    with new_file(tmp_path / "a.h5") as file:
        write_attribute(file, "path", json.dumps(ODD, ensure_ascii=False))
    with h5py.File(tmp_path / "a.h5") as file:
        assert json.loads(read_text(file, "path")) == ODD


def test_a_log_takes_any_name(tmp_path: Path) -> None:
    """In a process of its own: what a test logs must be UTF-8, or pytest's workers cannot send it."""
    script = (
        "import logging, sys\nfrom pathlib import Path\nfrom lunggtv.job import logged_job\n"
        "with logged_job(Path(sys.argv[1])):\n    logging.warning('%s is odd', sys.argv[2])\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "job.log"), ODD]
    done = subprocess.run(
        command, capture_output=True, check=True, env=os.environ | {"PYTHONPATH": str(WORKFLOW)}
    )
    assert "Sch\\udce9del is odd" in (tmp_path / "job.log").read_text()
    assert done.stderr == b""
