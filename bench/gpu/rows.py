"""One row of ``bench/gpu``, measured in this process alone: ``rows.py JOB.json ANSWER.json``."""

import json
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from boxes import make_boxes
from lunggtv.model.device import claimed_device
from lunggtv.model.normalisation import Normalisation
from lunggtv.model.numerics import NAMES, numerics
from lunggtv.model.prediction import PREDICTED_IN, predict_passes
from lunggtv.model.sliding_window import window_starts, window_thickness
from lunggtv.model.weights import Model
from lunggtv.settings import settings_from
from lunggtv.train.fit import new_network, planned
from lunggtv.train.progress import SAVING_SHARE
from lunggtv.train.state_folder import StateFolder
from lunggtv.train.train_fold import SAVE_EVERY_S
from lunggtv.train.train_settings import TrainSettings
from lunggtv.volume import read_volume
from lunggtv.wording import by
from machine import machine
from training_speed import median_ms, read_section, workload

SAVES, PREDICTIONS = 3, 3
PEER_STEPS, PEER_WARM = 60, 20


@dataclass(frozen=True)
class Bench:
    """What a row is measured with."""

    settings: TrainSettings
    caches: list[str]
    device: torch.device
    turns: int
    work: Path
    wheels: Path | None


def training(bench: Bench) -> dict[str, Any]:
    """Milliseconds a step with the data path and on a batch that never changes, and what follows from them."""
    work = workload(bench.settings, bench.caches, bench.device)
    works = (work.real_step, work.fixed_step, work.data)
    real, fixed, data = median_ms(works, bench.turns, bench.device)
    steps, batch = bench.settings.steps, bench.settings.batch
    return {
        "precision": work.precision,
        "real_ms": real,
        "fixed_ms": fixed,
        "data_ms": data,
        "patches_per_s": batch / real * 1e3,
        "peak_gb": peak_gb(bench.device),
        "fold_h": steps * real / 3.6e6,
        "what": f"{work.weights / 1e6:.1f} million weights, patches of {by(work.architecture.patch_shape)} voxels, "
        f"{batch} a step, {steps} steps a fold.",
    }


def prediction(bench: Bench) -> dict[str, Any]:
    """Seconds to predict the first box, without and with its mirror image."""
    volume = read_volume(bench.caches[0], "cache")
    architecture = planned([volume.grid.spacing_mm], bench.settings)
    network = new_network(architecture, 0, 0).to(bench.device).eval()
    model = Model(network, architecture, Normalisation(-1000, 200, -50, 150), {})
    patch = architecture.patch_shape
    thick = window_thickness(volume.ct.shape[0], patch[0], architecture.divisor[0])
    axes = zip(volume.ct.shape, (thick, *patch[1:]), strict=True)
    windows = len(list(product(*(window_starts(n, edge) for n, edge in axes))))
    found: dict[str, Any] = {
        "box": by(volume.ct.shape),
        "precision": NAMES[PREDICTED_IN.get(bench.device.type)],
    }
    for name, mirror in (("plain", False), ("mirrored", True)):
        if bench.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds = timed(
            lambda mirror=mirror: predict_passes(model, volume.ct, mirror, str(bench.device)), bench.device
        )
        found[name] = {"s": seconds, "windows": windows * (1 + mirror), "peak_gb": peak_gb(bench.device)}
    return found


def saving(bench: Bench) -> dict[str, Any]:
    """Seconds that training waits for a state, and their share of the time."""
    work = workload(bench.settings, bench.caches[:1], bench.device)
    work.real_step(0)
    with tempfile.TemporaryDirectory(dir=bench.work) as name:
        folder = Path(name)
        seconds = timed(lambda: StateFolder(folder).write(work.run), bench.device, SAVES)
        newest = max(folder.glob("state-*.safetensors"))
        size = newest.stat().st_size
    every_s = max(SAVE_EVERY_S, seconds / SAVING_SHARE)
    return {"s": seconds, "megabytes": size / 1e6, "every_s": every_s, "share": seconds / (every_s + seconds)}


def nnunet(bench: Bench) -> dict[str, Any]:
    """Patches a second of both tools, LungGTV compiled as nnU-Net is on a GPU."""
    try:
        from nnunet_peer import find_peer
        from training_peer import own_speed, peer_speed

        peer = find_peer(None, bench.work / "peer", bench.wheels)
    except Exception as error:
        return {"missing": f"nnU-Net cannot be installed here: {type(error).__name__} {error}"}
    settings = replace(bench.settings, compile=bench.device.type == "cuda")
    own = own_speed(settings, bench.caches, bench.device, PEER_STEPS, PEER_WARM)
    theirs = peer_speed(peer, bench.caches, own, settings, bench.device, PEER_STEPS, PEER_WARM)
    batch = settings.batch
    return {
        "ours": batch / own.real_s,
        "ours_fixed": batch / own.fixed_s,
        "our_compile": settings.compile,
        "theirs": batch / theirs["real_s"],
        "theirs_fixed": batch / theirs["fixed_s"],
        "workers": theirs["workers"],
        "compiled": theirs["compiled"],
    }


def timed(work: Callable[[], object], device: torch.device, times: int = PREDICTIONS) -> float:
    """Median wall seconds, after one to warm up; the device is waited for."""
    seconds = []
    for _ in range(times + 1):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def peak_gb(device: torch.device) -> float:
    """Most memory so far: what torch took of a card, or what the process had of the machine's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


# Row -> what measures it, and what it changes of the settings.
MEASURED: dict[str, tuple[Callable[[Bench], dict[str, Any]], dict[str, bool]]] = {
    "step": (training, {}),
    "nondeterministic": (training, {"deterministic": False}),
    "compiled": (training, {"compile": True}),
    "compiled_nondeterministic": (training, {"compile": True, "deterministic": False}),
    "float32": (training, {"mixed_precision": False}),
    "prediction": (prediction, {}),
    "saving": (saving, {}),
    "nnunet": (nnunet, {"deterministic": False}),
}


def main() -> None:
    job_path, answer_path = map(Path, sys.argv[1:])
    job = json.loads(job_path.read_text(encoding="utf-8"))
    measure, changes = MEASURED[job["row"]]
    settings = replace(settings_from(TrainSettings, read_section(job["configs"])), **changes)
    work = Path(job["work"])
    spacing_mm = (5.0, 1.17, 1.17)
    caches = job["caches"] or make_boxes(work / "boxes", job["patients"], tuple(job["box_shape"]), spacing_mm)
    with (
        claimed_device(job["device"], insist=True) as device,
        numerics(settings.deterministic, torch.get_num_threads()),
    ):
        wheels = Path(job["wheels"]) if job["wheels"] else None
        found = measure(Bench(settings, caches, device, job["turns"], work, wheels))
        found |= {"machine": machine(str(device)), "versions": versions(device), "row": job["row"]}
    answer_path.write_text(json.dumps(found), encoding="utf-8")


def versions(device: torch.device) -> str:
    words = f"Python {platform.python_version()}, torch {torch.__version__}"
    if device.type == "cuda":
        driver = Path("/proc/driver/nvidia/version")
        line = driver.read_text(encoding="utf-8").splitlines()[0] if driver.exists() else "driver unknown"
        words += f", CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, {line}"
    return words


if __name__ == "__main__":
    main()
