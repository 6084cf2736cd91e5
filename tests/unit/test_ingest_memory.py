"""A full-size patient stays under the memory that the workflow asks for."""

import gzip
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.unit.ingest_bodies import SETTINGS

SHAPE = (127, 512, 512)
LIMIT_MB = 700
CODE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from lunggtv.patient_files import PatientFiles
from lunggtv.ingest.ingest_patient import ingest_patient
from lunggtv.ingest.ingest_settings import IngestSettings
folder = Path(sys.argv[2])
files = tuple(folder / name for name in ("data.nii.gz", "label.nii.gz"))
settings = IngestSettings.from_config(json.loads(sys.argv[3]))
ingest_patient(PatientFiles("1", True, folder, files, *files), settings, volume_path=folder / "v.h5",
               verdict_path=folder / "v.json")
verdict = json.loads((folder / "v.json").read_text())["verdict"]
# Not ru_maxrss: that of a child begins with what its parent held.
peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(verdict, peak_kb)
"""


def write_full_size(path: Path, values: np.ndarray, code: int) -> None:
    """A NIfTI file whose every slice holds ``values``; one slice is packed once and repeated, to be quick."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<4h", header, 40, 3, *SHAPE[::-1])
    struct.pack_into("<2h", header, 70, code, 8 * values.itemsize)
    struct.pack_into("<4f", header, 76, 1, 1.1, 1.1, 3)
    struct.pack_into("<3f", header, 108, 352, 1, 0)
    struct.pack_into("<h", header, 254, 1)
    struct.pack_into("<12f", header, 280, -1.1, 0, 0, 0, 0, -1.1, 0, 0, 0, 0, 3, 0)
    header[344:348] = b"n+1\0"
    path.write_bytes(gzip.compress(bytes(header), 1) + gzip.compress(values.tobytes(), 1) * SHAPE[0])


@pytest.mark.parametrize(
    ("kind", "code", "label_kind", "label_code"), [("<i2", 4, "<u1", 2), ("<f8", 64, "<u1", 2)]
)
def test_peak_memory_of_a_full_size_patient(tmp_path, kind, code, label_kind, label_code):
    y, x = np.indices(SHAPE[1:])
    plane = np.random.default_rng(0).normal(-1000, 10, SHAPE[1:])
    plane[((y - 256) / 150) ** 2 + ((x - 256) / 210) ** 2 < 1] = 40
    plane[(abs(y - 256) < 80) & (abs(abs(x - 256) - 90) < 60)] = -850
    write_full_size(tmp_path / "data.nii.gz", np.rint(plane).astype(kind), code)
    label = ((y - 256) ** 2 + (x - 170) ** 2 < 400).astype(label_kind)
    write_full_size(tmp_path / "label.nii.gz", label, label_code)
    section = {
        "gtv_values": [1], "spacing_tolerance_mm": 0.001, "position_tolerance_mm": 0.1, "max_voxels": 10**8,
        "roi_patterns": list(SETTINGS.dicom.roi_patterns), "slice_tolerance_mm": 0.1, "interpolate_gtv": False,
    }  # fmt: skip
    workflow = Path(__file__).parents[2] / "workflow"
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(workflow), str(tmp_path), json.dumps(section)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    verdict, peak_kb = done.stdout.split()
    assert verdict == "warned", done.stderr  # its slices repeat
    assert int(peak_kb) / 1000 < LIMIT_MB
