"""Does the data path keep the device busy? Step time with real samples against a fixed batch.

    OMP_NUM_THREADS=1 python bench/training_speed.py demo/results/cache/*/volume.h5 > bench/results/training_speed.md

On a GPU, with the default config: python bench/training_speed.py --config config.yaml CACHES. Prints a
Markdown table: milliseconds a step (the median of --steps) with the data path of training (draw, cut, augment,
normalise), the same on one batch that never changes (the pure-compute limit: same network, precision and
optimiser), their ratio, the data path alone, and patches a second. On the CPU it is CPU time, on a GPU time
between synchronisations. Needs no network and no registry: this file, workflow/ and the caches are enough.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from full_size import with_numbers
from lunggtv.model.architecture import Architecture
from lunggtv.model.device import claimed_device
from lunggtv.model.network import parameter_count
from lunggtv.model.numerics import NAMES, half_precision, numerics, place_network
from lunggtv.settings import settings_from
from lunggtv.train import fit, optimisation
from lunggtv.train.batches import Sampler, make_batch
from lunggtv.train.cases import load_cases
from lunggtv.train.compiling import compiled
from lunggtv.train.fit import new_network, prepare
from lunggtv.train.train_settings import TrainSettings
from machine import machine

ROOT = Path(__file__).parents[1]


def read_section(paths: list[str]) -> dict:
    """The train section of config.yaml with later files laid over it, without ``run_folds``."""
    section: dict = {}
    for path in [ROOT / "config.yaml", *paths]:
        overlay = yaml.safe_load(Path(path).read_text(encoding="utf-8")).get("train", {})
        for key, value in overlay.items():
            section[key] = {**section.get(key, {}), **value} if isinstance(value, dict) else value
    del section["run_folds"], section["start_from"]
    return with_numbers("train", section)


def median_ms(works: Sequence[Callable[[int], object]], steps: int, device: torch.device) -> list[float]:
    """Median over the turns of each work, after three to warm up. The works take turns, so that whatever else goes
    on in the machine meets all of them alike. A turn is one step on a CPU; on a GPU as many as training does
    before it waits for the device."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    length = 1 if device.type == "cpu" else fit.CHECK_EVERY_CUDA
    times: list[list[float]] = [[] for _ in works]
    for turn in range(steps + 3):
        for work, own in zip(works, times, strict=True):
            start = clock()
            for step in range(turn * length, (turn + 1) * length):
                work(step)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            own.append((clock() - start) / length * 1e3)
    return [statistics.median(own[3:]) for own in times]


@dataclass(frozen=True)
class Work:
    """What can be timed, each by the number of the step."""

    real_step: Callable[[int], object]
    fixed_step: Callable[[int], object]
    data: Callable[[int], object]
    architecture: Architecture
    weights: int
    run: optimisation.Run
    precision: str


def workload(settings: TrainSettings, caches: list[str], device: torch.device) -> Work:
    """A step with the data path of training, one on a fixed batch, and the data path alone."""
    cases = load_cases({str(n): path for n, path in enumerate(caches)}, "device", device)
    architecture, sampler = prepare(0, cases, settings)
    network = place_network(new_network(architecture, settings.seed, 0), device).train()
    wanted = settings.mixed_precision and device.type == "cuda"
    precision = half_precision(network, architecture.patch_shape, device) if wanted else None
    place = optimisation.Device(device, precision)
    forward = compiled(network, settings.batch, sampler, place) if settings.compile else network
    run = optimisation.start_run(network, settings, precision)
    fixed = make_batch(sampler, range(settings.batch))

    def step_on(source: Callable[[Sampler, range], object]) -> Callable[[int], object]:
        def one_step(step: int) -> None:
            run.step = step % settings.steps
            optimisation.make_batch = source
            optimisation.one_step(run, forward, sampler, settings, place)

        return one_step

    return Work(
        step_on(make_batch),
        step_on(lambda _, indices: tuple(part[: len(indices)] for part in fixed)),
        lambda step: make_batch(sampler, range(step * settings.batch, (step + 1) * settings.batch)),
        architecture,
        parameter_count(network),
        run,
        NAMES[precision],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("caches", nargs="+", help="cache volumes (results/cache/*/volume.h5)")
    parser.add_argument("--config", action="append", help="laid over config.yaml (default: the demo's)")
    parser.add_argument("--steps", type=int, default=40, help="turns of each, see median_ms")
    options = parser.parse_args()
    paths = options.config or [str(ROOT / "profiles" / "demo" / "small.yaml")]
    settings = settings_from(TrainSettings, read_section(paths))
    with claimed_device("auto") as device, numerics(settings.deterministic, 1):
        work = workload(settings, options.caches, device)
        real, fixed, data = median_ms((work.real_step, work.fixed_step, work.data), options.steps, device)
    name = machine(str(device)) if device.type == "cuda" else f"one thread on {machine()}"
    print("# A training step with the data path, and on a fixed batch\n")
    print(
        "`OMP_NUM_THREADS=1 python bench/training_speed.py demo/results/cache/*/volume.h5 > "
        "bench/results/training_speed.md`\n"
    )
    patch = " x ".join(map(str, work.architecture.patch_shape))
    print(f"{name}, torch {torch.__version__}, patches of {patch} voxels, batch {settings.batch}\n")
    print("|step with data path, ms|step on a fixed batch, ms|ratio|data path alone, ms|patches/s|")
    print("|---|---|---|---|---|")
    print(f"|{real:.1f}|{fixed:.1f}|{real / fixed:.3f}|{data:.1f}|{settings.batch / real * 1e3:.2f}|")


if __name__ == "__main__":
    main()
