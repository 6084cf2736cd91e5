"""The memory that jobs ask for follows the scan, known from its header; peaks are of 1067 x 512 x 512 voxels."""

import gzip
import re
import struct

import pytest

from tests.workflow.engine import new_analysis

SHAPE = (1067, 512, 512)
# Peak resident memory of the job (VmHWM), in MB, by how the voxels are stored.
INGEST_PEAK_MB = {"int16": 2161, "scaled": 2700, "float64": 3510}
# The cache's box is the whole scan, at its own spacing; drafts come with their probability.
PEAKS_MB = {
    "cache_patient": 1993, "picture_crop": 1498, "infer_patient": 921, "evaluate_patient": 1895,
    "picture_patient": 1894,
}  # fmt: skip


def header_alone(shape: tuple[int, ...], code: int, slope: float) -> bytes:
    """A NIfTI file that ends behind its header: nobody reads further to plan a job."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<4h", header, 40, 3, *shape[::-1])
    struct.pack_into("<h", header, 70, code)
    struct.pack_into("<2f", header, 108, 352, slope)
    header[344:348] = b"n+1\0"
    return gzip.compress(bytes(header))


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """mem_mb of every job of a plan, by rule and patient or fold."""
    analysis = new_analysis(tmp_path_factory.mktemp("memory"))
    patients = {"int16": (SHAPE, 4, 0), "scaled": (SHAPE, 4, 0.5), "float64": (SHAPE, 64, 0)}
    patients["usual"] = ((97, 512, 512), 4, 0)
    for patient, kind in patients.items():
        folder = analysis.work / "raw/labelled" / patient
        folder.mkdir(parents=True)
        (folder / "data.nii.gz").write_bytes(header_alone(*kind))
        (folder / "label.nii.gz").write_bytes(b"x")
    (analysis.work / "raw/labelled/torn").mkdir()
    (analysis.work / "raw/labelled/torn/data.nii.gz").write_bytes(b"torn")
    done = analysis.run("--dry-run")
    plan = done.stdout + done.stderr
    _, *parts = re.split(r"^(?:local)?rule (\w+):$", plan, flags=re.MULTILINE)
    found = {}
    for rule, text in zip(parts[::2], parts[1::2], strict=True):
        name = re.search(r"wildcards: \w+=(\w+)", text)
        memory = re.search(r"mem_mb=(\d+)", text)
        if name and memory:
            found[rule, name[1]] = int(memory[1])
    return found


def test_ingest_of_a_large_scan_gets_what_it_takes_and_little_more(asked):
    for patient, peak_mb in INGEST_PEAK_MB.items():
        assert peak_mb * 1.05 < asked["ingest_patient", patient] < peak_mb * 1.25


def test_whoever_reads_the_volume_gets_what_it_takes(asked):
    for rule, peak_mb in PEAKS_MB.items():
        assert asked[rule, "int16"] > 1.05 * peak_mb, rule
        assert asked[rule, "int16"] >= asked[rule, "usual"]


def test_usual_and_unreadable_scans_get_what_is_usual(asked):
    for patient in ("usual", "torn"):
        assert asked["ingest_patient", patient] == asked["cache_patient", patient] == 1500
        assert asked["evaluate_patient", patient] == 2000


def test_a_fold_is_validated_on_its_largest_patient(asked):
    assert {asked["validate_fold", fold] for fold in "01234"} == {8000}
