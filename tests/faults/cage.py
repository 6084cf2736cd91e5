"""Ingest of hostile folders in a process of its own: memory and time are limited by the kernel.

``python cage.py WORKFLOW OUT FOLDER...`` prints one line of JSON a folder. The limit holds for all that the process
maps beyond what it has mapped after its imports.
"""

import json
import resource
import signal
import sys
import time
from pathlib import Path

MEMORY_MB = 1500  # what rule ingest_patient asks for
SECONDS = 30


def mapped_mb() -> float:
    """Virtual memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() / 2**20


def too_slow(*_) -> None:
    """End what hangs."""
    raise TimeoutError(f"more than {SECONDS} s")


def main(workflow: str, out: str, *folders: str) -> None:
    """Ingest each folder as one patient and say what came of it."""
    sys.path.insert(0, workflow)
    import lunggtv.ingest.dicom.read_folder
    import lunggtv.ingest.formats  # noqa: F401
    from lunggtv.cohort.discover import find_patients
    from lunggtv.ingest.dicom.dicom_settings import DicomSettings
    from lunggtv.ingest.ingest_patient import ingest_patient
    from lunggtv.ingest.ingest_settings import IngestSettings

    settings = IngestSettings(
        (1,), 0.001, 0.1, 300_000_000, DicomSettings(("GTV.*",), 0.1, max_voxels=300_000_000)
    )
    limit = int((mapped_mb() + MEMORY_MB) * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGALRM, too_slow)
    for folder in folders:
        (files,) = find_patients(folder, True, "{patient}/data.*", "{patient}/label.*")
        target = Path(out) / Path(folder).name
        signal.alarm(SECONDS)
        started = time.perf_counter()
        try:
            ingest_patient(
                files, settings, volume_path=target / "volume.h5", verdict_path=target / "verdict.json"
            )
            reasons = json.loads((target / "verdict.json").read_text(encoding="utf-8"))["reasons"]
            told = {
                "codes": [reason["code"] for reason in reasons],
                "words": " ".join(r["text"] for r in reasons),
            }
        except Exception as error:  # what a test must see, whatever it is
            told = {"codes": [], "words": f"{type(error).__name__}: {error}"}
        signal.alarm(0)
        print(json.dumps({"seconds": time.perf_counter() - started, **told}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
