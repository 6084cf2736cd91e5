"""Patches a second: LungGTV's training against nnU-Net v2's, same network, patch, batch, device and cores.

    python bench/training_peer.py > bench/results/training_peer.md                        # CPU, demo size
    python bench/training_peer.py --config config.yaml --size full > ...                   # one GPU
    python bench/training_peer.py --caches RESULTS/cache/*/volume.h5 --peer-python .../bin/python

Without --caches it makes phantoms and their caches first. nnU-Net gets the same boxes as NIfTI, a plan with our
network (its ResidualEncoderUNet with our strides, kernels, widths and blocks), patch, batch and spacing, and
everything else its own: preprocessing, sampling, augmentation in worker processes on all cores, loss,
optimiser, half precision and torch.compile on a GPU. Each tool runs alone; wall time, mean of --steps after
--warm. Without --peer-python nnU-Net is installed below --work, on top of the libraries of the interpreter that
runs this; on a machine without a package index take them along (`pip download nnunetv2==2.8.1`) and name the
folder with --wheels.
"""

import argparse
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from lunggtv.geometry import Grid
from lunggtv.model.architecture import Architecture
from lunggtv.model.device import claimed_device
from lunggtv.model.numerics import numerics
from lunggtv.settings import settings_from
from lunggtv.train.train_settings import TrainSettings
from lunggtv.volume import read_volume
from machine import machine
from nnunet_peer import DATASET, PACKAGE, Peer, find_peer
from training_speed import read_section, workload

ROOT = Path(__file__).parents[1]
DEMO = str(ROOT / "profiles" / "demo" / "small.yaml")


def make_caches(work: Path, configs: list[str], patients: int, size: str) -> list[str]:
    """Caches of a phantom cohort, by the workflow itself."""
    work.mkdir(parents=True, exist_ok=True)
    own = work / "phantom.yaml"
    own.write_text(
        f"phantom: {{labelled: {patients}, unlabelled: 0, dicom: 0, size: {size}}}\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "snakemake", "cache", "--cores", str(len(os.sched_getaffinity(0)))]
    command += ["--directory", str(work), "--configfile", *configs, str(own)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    return sorted(map(str, (work / "results" / "cache").glob("*/volume.h5")))


def boxes(caches: list[str]) -> Iterator[tuple[str, np.ndarray, np.ndarray, Grid]]:
    for number, path in enumerate(caches):
        volume = read_volume(path, "cache")
        yield f"box{number}", volume.ct, volume.label, volume.grid


def peer_plan(architecture: Architecture, batch: int) -> dict:
    """Our network as a plan of nnU-Net's."""
    stages = len(architecture.strides)
    return {
        "spacing": architecture.spacing_mm,
        "patch_size": architecture.patch_shape,
        "batch_size": batch,
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": architecture.widths,
            "kernel_sizes": architecture.kernels,
            "strides": architecture.strides,
            "n_blocks_per_stage": architecture.blocks,
            "n_conv_per_stage_decoder": [1] * (stages - 1),
            "conv_bias": False,
        },
    }


def mean_s(work: Callable[[int], object], steps: int, warm: int, device: torch.device) -> float:
    """Mean wall seconds of the steps after those to warm up; on a GPU the last is waited for."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for step in range(warm):
        work(step)
    wait()
    start = time.perf_counter()
    for step in range(warm, warm + steps):
        work(step)
    wait()
    return (time.perf_counter() - start) / steps


@dataclass(frozen=True)
class Own:
    """What LungGTV's training costs: wall seconds of a step with the data path, and on a fixed batch."""

    real_s: float
    fixed_s: float
    architecture: Architecture
    weights: int


def own_speed(settings: TrainSettings, caches: list[str], device: torch.device, steps: int, warm: int) -> Own:
    """Time LungGTV's steps. Nothing of the device is held when it returns: the peer is to have all of it."""
    work = workload(settings, caches, device)
    seconds = [mean_s(part, steps, warm, device) for part in (work.real_step, work.fixed_step)]
    found = Own(*seconds, work.architecture, work.weights)
    del work
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
    return found


def peer_speed(
    peer: Peer,
    caches: list[str],
    own: Own,
    settings: TrainSettings,
    device: torch.device,
    steps: int,
    warm: int,
) -> dict:
    """Time nnU-Net's steps on the same boxes; see ``nnunet_driver.speed`` for what comes back."""
    cores = len(os.sched_getaffinity(0))
    peer.give(boxes(caches))
    names = [f"box{number}" for number in range(len(caches))]
    splits = [{"train": names[1:], "val": names[:1]}]
    plan = peer_plan(own.architecture, settings.batch)
    peer.call("prepare", {"dataset": DATASET, "processes": cores, "splits": splits, "plan": plan}, cores)
    arguments = {"dataset": DATASET, "device": device.type, "threads": cores, "steps": steps, "warm": warm}
    # nnU-Net's own default is twelve workers, and no more than there are cores.
    return peer.call("speed", arguments, min(12, cores), cores)


def report(settings: TrainSettings, own: Own, theirs: dict, name: str) -> None:
    print("# Patches a second: LungGTV and nnU-Net, same network, patch, batch and device\n")
    print("`python bench/training_peer.py > bench/results/training_peer.md`\n")
    batch = settings.batch
    patch = " x ".join(map(str, own.architecture.patch_shape))
    print(
        f"{name}; patches of {patch} voxels, {batch} a step; torch {torch.__version__} and "
        f"{theirs['torch']}; {PACKAGE.replace('==', ' ')} with {theirs['workers']} worker processes"
        f"{', torch.compile' if theirs['compiled'] else ''}; LungGTV with none"
        f"{', torch.compile' if settings.compile else ''}.\n"
    )
    print("| |weights|patches/s with the data path|patches/s on a fixed batch|step with / without|")
    print("|---|---|---|---|---|")
    rows = [("LungGTV", own.weights, own.real_s, own.fixed_s)]
    rows += [("nnU-Net", theirs["weights"], theirs["real_s"], theirs["fixed_s"])]
    for tool, weights, real, fixed in rows:
        print(f"|{tool}|{weights:,}|{batch / real:.2f}|{batch / fixed:.2f}|{real / fixed:.3f}|")
    real, fixed = theirs["real_s"] / own.real_s, theirs["fixed_s"] / own.fixed_s
    print(f"|**ratio**| |**{real:.2f}**|{fixed:.2f}| |")
    minutes = settings.steps * own.real_s / 60
    print(f"\nA fold of these settings ({settings.steps} steps) takes LungGTV {minutes:.1f} minutes here.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--caches", nargs="+", help="cache volumes of labelled patients; none: phantoms are made"
    )
    parser.add_argument("--config", action="append", help="laid over config.yaml (default: the demo's)")
    parser.add_argument("--patients", type=int, default=6, help="phantoms to make")
    parser.add_argument("--size", choices=("demo", "full"), default="demo", help="of the phantoms")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--warm", type=int, default=10, help="steps before the clock starts")
    parser.add_argument("--peer-python", type=Path, help="interpreter that has nnU-Net")
    parser.add_argument("--wheels", type=Path, help="folder to install nnU-Net from, without an index")
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / ".work.training_peer")
    options = parser.parse_args()
    work = options.work.resolve()
    configs = options.config or [DEMO]
    settings = settings_from(TrainSettings, read_section(configs))
    cores = len(os.sched_getaffinity(0))
    caches = options.caches or make_caches(work / "phantoms", configs, options.patients, options.size)
    peer = find_peer(options.peer_python, work, options.wheels)
    with claimed_device("auto") as device, numerics(settings.deterministic, cores):
        own = own_speed(settings, caches, device, options.steps, options.warm)
        theirs = peer_speed(peer, caches, own, settings, device, options.steps, options.warm)
    report(settings, own, theirs, machine(str(device)))


if __name__ == "__main__":
    main()
