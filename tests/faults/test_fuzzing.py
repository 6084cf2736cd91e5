"""Raw files with anything done to their bytes: always a verdict, never another error."""

import gzip
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from lunggtv.image_files import write_image
from lunggtv.patient_files import PatientFiles

from tests.unit.dicom_files import CtSeries, Reference, box, write_ct, write_rtstruct
from tests.unit.ingest_bodies import ingest, write_pair
from tests.unit.segmentation_files import write_segmentation

CT = CtSeries()
SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
DICOM = ("dicom", "dicom without prefix", "segmentation", "segmentation without prefix", "mask beside dicom")
KINDS = (*SUFFIXES, *DICOM)
MASK = "label.nrrd"
PREFIX_END = 132
LONG_S = 60.0

# What is done to a file: where (a share of it, most often near the beginning, where headers lie), and what.
places = st.one_of(st.floats(0, 1), st.floats(0, 0.02))
changes = st.one_of(
    st.tuples(st.just("flip"), places, st.integers(0, 7)),
    st.tuples(st.just("write"), places, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("insert"), places, st.binary(min_size=1, max_size=64)),
    st.tuples(st.just("cut"), places, st.integers(1, 400)),
    st.tuples(st.just("end"), places, st.none()),
    st.tuples(st.just("repeat"), places, st.integers(1, 400)),
)


@cache
def good_files(kind: str) -> dict[str, bytes]:
    """The files of a good patient by name, as bytes."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "7"
        if kind in DICOM:
            write_ct(folder, CT)
            # A hole, a contour across, one that stands twice.
            drawn = [box(CT, 2, (3, 8), (3, 8)), box(CT, 2, (4, 6), (4, 6)), box(CT, 2, (6, 10), (6, 12))]
            if kind.startswith("segmentation"):
                mask = np.zeros(CT.grid.shape, np.uint8)
                mask[1:4, 3:8, 3:9] = 1
                write_segmentation(folder / "seg.dcm", CT, {"Lungs": 1 - mask, "GTV": mask})
            elif kind == "mask beside dicom":
                write_image(
                    folder / MASK, np.ones((2, 5, 6), np.uint8), CT.grid.cropped((1, 3, 3), (2, 5, 6))
                )
            else:
                write_rtstruct(folder / "rs.dcm", {"GTV": [*drawn, drawn[0][::-1]]}, Reference(CT))
        else:
            write_pair(folder, suffix=kind)
        start = PREFIX_END if kind.endswith("without prefix") else 0
        return {path.name: path.read_bytes()[start:] for path in sorted(folder.iterdir())}


def changed(content: bytes, change: tuple) -> bytes:
    what, place, how = change
    at = int(place * max(len(content) - 1, 0))
    if what == "flip":
        return content[:at] + bytes([content[at] ^ (1 << how)]) + content[at + 1 :] if content else content
    if what == "write":
        return content[:at] + how + content[at + len(how) :]
    if what == "insert":
        return content[:at] + how + content[at:]
    if what == "repeat":
        return content[:at] + content[at : at + how] * 2 + content[at + how :]
    return content[:at] + (content[at + how :] if what == "cut" else b"")


@given(
    kind=st.sampled_from(KINDS),
    which=st.integers(0, 5),
    inside=st.booleans(),
    done=st.lists(changes, min_size=1, max_size=3),
)
@settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # three changes at most: nothing to make smaller, at two seconds a try
)  # fmt: skip
def read_damaged(kind, which, inside, done):
    files = dict(good_files(kind))
    name = sorted(files)[which % len(files)]
    packed = inside and name.endswith(".gz")
    content = gzip.decompress(files[name]) if packed else files[name]
    for change in done:
        content = changed(content, change)
    files[name] = gzip.compress(content, 1) if packed else content
    with TemporaryDirectory() as folder:
        patient = Path(folder) / "7"
        patient.mkdir()
        paths = []
        for file, whole in files.items():
            (patient / file).write_bytes(whole)
            paths.append(patient / file)
        pair = (
            (None, patient / MASK if kind == "mask beside dicom" else None)
            if kind in DICOM
            else tuple(patient / f"{role}{kind}" for role in ("data", "label"))
        )
        outcome = ingest(PatientFiles("7", True, patient, tuple(paths), *pair), Path(folder) / "out")
        assert outcome.verdict["verdict"] in ("accepted", "warned", "rejected")
        assert outcome.volume.is_file()
        assert sorted(path.name for path in patient.iterdir()) == sorted(files), (
            "nothing is written beside them"
        )


def test_damaged_files_get_a_verdict():
    seed(1)(read_damaged)()


@pytest.mark.long
def test_damaged_files_get_a_verdict_for_a_minute(campaign):
    end, rounds = time.monotonic() + LONG_S, 0
    while time.monotonic() < end:
        seed(1000 + rounds)(read_damaged)()
        rounds += 1
    campaign.append(
        (
            f"{60 * rounds} patients with damaged files, in {LONG_S:.0f} s",
            "a verdict for each, no other error",
        )
    )
