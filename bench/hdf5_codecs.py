"""Codecs and chunk shapes for the HDF5 volumes: how fast a case and a patch are read, written, how large.

    OMP_NUM_THREADS=1 python bench/hdf5_codecs.py > bench/results/hdf5_codecs.md
    OMP_NUM_THREADS=1 python bench/hdf5_codecs.py --ingest results/ingest/7/volume.h5

Takes ingest volumes (or makes full-size phantoms), crops and resamples them as the cache stage does, and
writes ingest volume and cache with every combination. CPU time, the least of the repetitions; files in the
page cache, one thread, checksums on every chunk. Prints Markdown.
"""

import argparse
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from full_size import full_size
from lunggtv.cache.cache_patient import cache_patient
from lunggtv.cache.cache_settings import CacheSettings
from lunggtv.geometry import Orientation
from lunggtv.settings import settings_from
from lunggtv.volume import Volume, read_volume, write_volume
from lungphantom.body import paint_phantom
from lungphantom.plan import FULL, PhantomSettings, plan_cohort

ROOT = Path(__file__).parents[1]
PATCH = (40, 160, 192)
PATCHES = 24
CODECS = {
    "none": {},
    "lzf+shuffle": {"compression": "lzf", "shuffle": True},
    "gzip1": {"compression": "gzip", "compression_opts": 1},
    "gzip1+shuffle": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    "gzip4+shuffle": {"compression": "gzip", "compression_opts": 4, "shuffle": True},
}
# Rows of 0: as many whole rows of a slice as make at most 128 KiB of int16.
CHUNKS = {
    "rows of a slice": (1, 0, 4096),
    "rows of two slices": (2, 0, 4096),
    "whole slice": (1, 4096, 4096),
    "16x64x64": (16, 64, 64),
    "8x64x64": (8, 64, 64),
    "32x64x64": (32, 64, 64),
    "8x128x128": (8, 128, 128),
    "patch": PATCH,
}
CHUNK_VOXELS = 2**16
ONE_CODEC, ONE_CHUNK = "gzip1+shuffle", "rows of a slice"


@dataclass(frozen=True)
class Layout:
    """One way to store arrays; ``chunk`` ``None`` is contiguous, without filters and checksums."""

    name: str
    chunk: tuple[int, int, int] | None
    filters: dict


def layouts() -> list[Layout]:
    """All codecs at one chunk shape, all chunk shapes at one codec, and no chunks at all."""
    found = [Layout(f"{ONE_CHUNK}, {name}", CHUNKS[ONE_CHUNK], filters) for name, filters in CODECS.items()]
    found += [
        Layout(f"{name}, {ONE_CODEC}", chunk, CODECS[ONE_CODEC])
        for name, chunk in CHUNKS.items()
        if name != ONE_CHUNK
    ]
    return [*found, Layout("contiguous, no checksum", None, {})]


def seconds(work: Callable[[], object], repetitions: int) -> float:
    """Least CPU time of several runs: nothing here waits for a disk, and other processes only add to it."""
    times = []
    for _ in range(repetitions):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def write(path: Path, arrays: dict[str, np.ndarray], layout: Layout) -> None:
    path.unlink(missing_ok=True)
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        for name, array in arrays.items():
            options = {}
            if layout.chunk is not None:
                chunk = chunk_shape(array.shape, layout.chunk)
                options = {"chunks": chunk, "fletcher32": True, **layout.filters}
            file.create_dataset(name, data=array, track_times=False, **options)


def chunk_shape(shape: tuple[int, ...], wanted: tuple[int, int, int]) -> tuple[int, ...]:
    """The wanted chunk, no larger than the array; free rows dealt evenly, as the caches have them."""
    slices, rows, columns = wanted
    rows = rows or math.ceil(shape[1] / math.ceil(slices * shape[1] * shape[2] / CHUNK_VOXELS))
    return tuple(min(n, c) for n, c in zip(shape, (slices, rows, columns), strict=True))


def read(path: Path) -> None:
    with h5py.File(path, "r") as file:
        for name in file:
            file[name][()]


def patch_corners(shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
    rng = np.random.default_rng(0)
    size = [min(n, p) for n, p in zip(shape, PATCH, strict=True)]
    starts = rng.integers(0, np.subtract(shape, size) + 1, (PATCHES, 3))
    return [tuple(slice(a, a + n) for a, n in zip(start, size, strict=True)) for start in starts]


def read_patches(path: Path, corners: list[tuple[slice, ...]], reopen: bool) -> None:
    """CT and label of each patch, as streaming does; ``reopen`` opens the file anew for each."""
    if reopen:
        for corner in corners:
            read_patches(path, [corner], False)
        return
    with h5py.File(path, "r", rdcc_nbytes=64 * 2**20) as file:
        # The chunk cache lives as long as the dataset is open, so both stay open.
        ct, label = file["ct"], file["label"]
        for corner in corners:
            ct[corner]
            label[corner]


def measure(arrays: dict[str, np.ndarray], layout: Layout, folder: Path, repetitions: int) -> list[float]:
    """MB, then ms: write, whole case, patch with the file kept open, patch with the file reopened."""
    path = folder / "bench.h5"
    numbers = [0.0, 1e3 * seconds(lambda: write(path, arrays, layout), repetitions)]
    numbers[0] = path.stat().st_size / 1e6
    numbers.append(1e3 * seconds(lambda: read(path), repetitions))
    corners = patch_corners(arrays["ct"].shape)
    for reopen in (False, True):
        taken = seconds(lambda again=reopen: read_patches(path, corners, again), max(1, repetitions // 2))
        numbers.append(1e3 * taken / PATCHES)
    return numbers


def phantom_volumes(count: int, folder: Path) -> list[Path]:
    """Ingest volumes of full-size phantoms."""
    plain = Orientation((0, 1, 2), (False, False, False)).to_dict()
    paths = []
    for plan in plan_cohort(PhantomSettings(count, 0, 0, FULL, 0)):
        phantom = paint_phantom(plan)
        metadata = {"original": phantom.grid.to_dict(), "orientation": plain}
        paths.append(folder / f"{plan.patient}.h5")
        ct = np.maximum(phantom.ct, -1024)
        volume = Volume(plan.patient, ct, phantom.grid, phantom.label, metadata=metadata)
        write_volume(paths[-1], "ingest", volume)
    return paths


def table(title: str, cases: list[dict[str, np.ndarray]], folder: Path, repetitions: int) -> None:
    voxels = statistics.mean(case["ct"].size for case in cases)
    print(f"\n### {title}: {len(cases)} cases, mean {voxels / 1e6:.1f} million voxels\n")
    print("| chunks, codec | MB | write ms | whole case ms | patch ms, kept open | patch ms, reopened |")
    print("|---|---|---|---|---|---|")
    for layout in layouts():
        rows = [measure(case, layout, folder, repetitions) for case in cases]
        means = [statistics.mean(column) for column in zip(*rows, strict=True)]
        print(f"| {layout.name} | " + " | ".join(f"{value:.1f}" for value in means) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ingest", nargs="+", type=Path, help="ingest volumes to take instead of phantoms")
    parser.add_argument("--phantoms", type=int, default=3, help="full-size phantoms to make (default 3)")
    parser.add_argument("--repetitions", type=int, default=5, help="of every measurement (default 5)")
    options = parser.parse_args()
    config = full_size()
    own = settings_from(CacheSettings, config["cache"])
    ingested, cached = [], []
    with tempfile.TemporaryDirectory(dir=ROOT / "bench", prefix=".work.") as name:
        folder = Path(name)
        for path in options.ingest or phantom_volumes(options.phantoms, folder):
            cache = folder / "cache.h5"
            cache_patient(path, own, cache_path=cache, crop_json_path=folder / "crop.json")
            scan, box = read_volume(path, "ingest"), read_volume(cache, "cache")
            ingested.append({"ct": scan.ct, "label": scan.label})
            cached.append({"ct": box.ct, "label": box.label, "lungs": box.lungs})
        print(f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}, {os.cpu_count()} cores "
              f"({platform.machine()}), one used.")  # fmt: skip
        table("Caches (CT, label, lungs)", cached, folder, options.repetitions)
        table("Ingest volumes (CT, label)", ingested, folder, options.repetitions)


if __name__ == "__main__":
    main()
