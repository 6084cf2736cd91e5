"""From raw folders to training data: LungGTV's ingest and cache against nnU-Net's plan_and_preprocess.

    python bench/preprocessing.py --patients 10 --cores 2 > bench/results/preprocessing.md

Makes full-size phantoms (NIfTI, compressed), runs the whole Snakemake workflow up to the caches on them, and
`nnUNetv2_plan_and_preprocess` (fingerprint, plan, preprocessing) on the same files with the same cores: as its
documentation says, which prepares all its configurations, and for 3d_fullres alone, the one it would train here.
nnU-Net is installed into a virtual environment below --work, on top of the libraries that both tools use. Both
start cold from the same folder; the files are in the page cache. Prints a Markdown table with the ratio, with
what dominates ours, and with the floor: decompressing the raw CT and writing the cache.
"""

import argparse
import gzip
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from full_size import full_size
from lunggtv.tables import read_tsv
from lunggtv.volume import read_volume, write_volume
from lungphantom.make_phantom import make_phantom
from lungphantom.plan import FULL, PhantomSettings
from nnunet_peer import PACKAGE, find_peer

ROOT = Path(__file__).parents[1]
DATASET = "Dataset501_Phantom"
# A stage of one patient as a process on one core, without Snakemake: raw folder, folder to write to.
ALONE = {
    "ingest": """
from lunggtv.patient_files import PatientFiles
from lunggtv.ingest.ingest_patient import ingest_patient
from lunggtv.ingest.ingest_settings import IngestSettings
image, label = raw / "data.nii.gz", raw / "label.nii.gz"
ingest_patient(PatientFiles(raw.name, True, raw, (image, label), image, label), IngestSettings.from_config(config),
               volume_path=place / "ingest.h5", verdict_path=place / "verdict.json")
""",
    "cache": """
from lunggtv.cache.cache_patient import cache_patient
from lunggtv.cache.cache_settings import CacheSettings
from lunggtv.settings import settings_from
cache_patient(place / "ingest.h5", settings_from(CacheSettings, config), cache_path=place / "cache.h5",
              crop_json_path=place / "crop.json")
""",
}
HEAD = """
import json, os, sys
from pathlib import Path
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
sys.path.insert(0, "workflow")
raw, place, config = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
"""


def timed(work: Callable[[], object]) -> float:
    """Wall seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def run(command: list[str], log: Path, **environment: str) -> float:
    """Wall seconds of a command; its words go to a log. Both tools get one thread a process."""
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", **environment}

    def call() -> None:
        with log.open("w", encoding="utf-8") as file:
            done = subprocess.run(
                command, cwd=ROOT, env=surroundings, stdout=file, stderr=subprocess.STDOUT, check=False
            )
        if done.returncode != 0:
            sys.exit(f"{command[0]} failed; see {log}")

    return timed(call)


def make_patients(count: int, folder: Path, workers: int) -> list[Path]:
    """Folders of full-size phantoms, made once."""
    patients = [folder / "labelled" / str(number) for number in range(1, count + 1)]
    if not all((patient / "label.nii.gz").is_file() for patient in patients):
        make_phantom(PhantomSettings(count, 0, 0, FULL, 0), folder, workers)
    return patients


def run_ours(patients: list[Path], work: Path, cores: int) -> tuple[float, Path]:
    """Seconds of the whole workflow up to the caches, from nothing, and the folder of its results."""
    place = work / "lunggtv"
    shutil.rmtree(place, ignore_errors=True)
    raw = place / "raw"
    raw.mkdir(parents=True)
    for patient in patients:
        shutil.copytree(patient, raw / patient.name)
    command = [sys.executable, "-m", "snakemake", "cache", "--cores", str(cores), "--directory", str(place)]
    return run([*command, "--config", "data={labelled: raw}"], work / "lunggtv.log"), place


def run_peer(
    patients: list[Path], work: Path, cores: int, commands: Path, *options: str
) -> tuple[float, float]:
    """Seconds and MB written of nnU-Net's fingerprint, plan and preprocessing, from nothing."""
    place = work / "nnunet"
    shutil.rmtree(place, ignore_errors=True)
    images, labels = (place / "raw" / DATASET / name for name in ("imagesTr", "labelsTr"))
    for folder in (images, labels, place / "preprocessed", place / "results"):
        folder.mkdir(parents=True)
    for patient in patients:
        shutil.copy(patient / "data.nii.gz", images / f"P{patient.name}_0000.nii.gz")
        shutil.copy(patient / "label.nii.gz", labels / f"P{patient.name}.nii.gz")
    content = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "GTV": 1},
        "numTraining": len(patients),
        "file_ending": ".nii.gz",
    }
    (images.parent / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    command = [str(commands / "nnUNetv2_plan_and_preprocess"), "-d", "501", "--no_pbar", *options]
    folders = {f"nnUNet_{name}": str(place / name) for name in ("raw", "preprocessed", "results")}
    # Its default is 4, 8 and 4 processes for its three configurations; both tools get the same cores.
    processes = ["-np", *[str(cores)] * (1 if options else 3), "-npfp", str(cores)]
    seconds = run([*command, *processes], work / "nnunet.log", **folders)
    return seconds, folder_mb(place / "preprocessed")


def floor_seconds(patient: Path, results: Path) -> tuple[float, float]:
    """Seconds on one core to decompress a patient's raw CT, and to write the patient's cache."""
    cache = results / "cache" / patient.name / "volume.h5"
    volume = read_volume(cache, "cache")
    copy = cache.with_name("bench.h5")

    def decompress() -> None:
        with gzip.open(patient / "data.nii.gz") as file:
            while file.read(2**22):
                pass

    seconds = timed(decompress), timed(lambda: write_volume(copy, "cache", volume))
    copy.unlink()
    return seconds


def alone_seconds(patients: list[Path], work: Path) -> dict[str, float]:
    """Median wall seconds of each stage as a process of its own on one core, its start included."""
    place = work / "alone"
    place.mkdir(exist_ok=True)
    config = full_size()
    found = {}
    for stage, code in ALONE.items():
        seconds = []
        for patient in patients:
            # The cache stage reads what ingest wrote of the last patient: the same work for each.
            words = [str(patient), str(place), json.dumps(config[stage])]
            seconds.append(run([sys.executable, "-c", HEAD + code, *words], work / "alone.log"))
        found[stage] = statistics.median(seconds)
    return found


def jobs(place: Path, rule: str) -> tuple[float, float]:
    """Mean seconds and largest memory in MB of a rule's jobs, as Snakemake's benchmark files have them."""
    rows = [row for path in sorted((place / "benchmarks" / rule).glob("*.tsv")) for row in read_tsv(path)]
    memory = [float(row["max_rss"]) for row in rows if row["max_rss"] not in ("NA", "-")]
    return statistics.mean(float(row["s"]) for row in rows), max(memory, default=float("nan"))


def folder_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def report(
    patients: list[Path], cores: int, ours: float, place: Path, theirs: dict[str, tuple[float, float]]
) -> None:
    count = len(patients)
    print(
        f"{count} full-size phantoms, {cores} of {os.cpu_count()} cores ({platform.machine()}); {PACKAGE}.\n"
    )
    print("| | seconds | seconds a patient | MB written | ratio |\n|---|---|---|---|---|")
    results = place / "results"
    print(f"| LungGTV, ingest and cache | {ours:.1f} | {ours / count:.2f} | {folder_mb(results):.0f} | 1 |")
    for name, (seconds, written) in theirs.items():
        ratio = f"**{seconds / ours:.1f}**"
        print(f"| nnU-Net, {name} | {seconds:.1f} | {seconds / count:.2f} | {written:.0f} | {ratio} |")
    ingest, ingest_mb = jobs(place, "ingest_patient")
    cache, cache_mb = jobs(place, "cache_patient")
    floors = [floor_seconds(patient, results) for patient in patients]
    unzip, write = (statistics.mean(column) for column in zip(*floors, strict=True))
    inside = count * (ingest + cache) / cores
    alone = alone_seconds(patients, place.parent)
    print(
        f"\nOne patient as two processes on one core, their starts included, median: ingest {alone['ingest']:.2f} s, "
        f"cache {alone['cache']:.2f} s, together **{sum(alone.values()):.2f} s**."
    )
    print("\nWhere our time goes, in seconds a patient, one job a core:\n")
    print("| ingest job | cache job | floor: decompress the CT | floor: write the cache |\n|---|---|---|---|")
    print(
        f"| {ingest:.2f} (up to {ingest_mb:.0f} MB) | {cache:.2f} (up to {cache_mb:.0f} MB) | {unzip:.2f} "
        f"| {write:.2f} |"
    )
    print(
        f"\nThe jobs of the patients fill {inside:.1f} of the {ours:.1f} s; the rest is Snakemake's own start, "
        f"scheduling and cohort tables. The jobs take {(ingest + cache) / (unzip + write):.1f} times the floor."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=3, help="full-size phantoms (default 3)")
    parser.add_argument("--cores", type=int, default=2, help="cores of both tools (default 2)")
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / ".work.nnunet", help="working folder")
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    patients = make_patients(options.patients, work / "patients", options.cores)
    commands = find_peer(None, work, None).python.parent
    ours, place = run_ours(patients, work, options.cores)
    theirs = {
        "all its configurations": run_peer(patients, work, options.cores, commands),
        "3d_fullres alone": run_peer(patients, work, options.cores, commands, "-c", "3d_fullres"),
    }
    report(patients, options.cores, ours, place, theirs)


if __name__ == "__main__":
    main()
