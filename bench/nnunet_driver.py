"""What the benchmarks ask of nnU-Net, run by nnU-Net's own interpreter: plan and preprocess, time steps, train.

Not called by hand: ``nnunet_peer.Peer`` starts it with the name of a function here and a JSON file of its
arguments, and reads the JSON file it leaves behind. Needs nnunetv2 2.8 and nothing of ours.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props
from nnunetv2.experiment_planning.plan_and_preprocess_api import (
    extract_fingerprints,
    plan_experiments,
    preprocess,
)
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.training.nnUNetTrainer.variants.optimizer.nnUNetTrainerAdam import nnUNetTrainerAdam
from nnunetv2.utilities.dataset_name_id_conversion import convert_id_to_dataset_name

CONFIGURATION = "3d_fullres"
FOLDER = "nnUNet_preprocessed"
PLANNER, PLANS = "nnUNetPlannerResEncM", "nnUNetResEncUNetMPlans"
LEAST_EDGE = 4  # of nnU-Net's planner
EPOCHS = 20  # of a training on a budget, at most; the learning rate falls once an epoch


def prepare(dataset: int, processes: int, splits: list[dict], plan: dict | None) -> dict:
    """Fingerprint, plan and preprocess; the plan's keys ``patch_size``, ``batch_size``, ``spacing``, ``width``,
    ``max_width`` and ``arch_kwargs`` replace the planner's choices, and what follows from them follows."""
    extract_fingerprints([dataset], num_processes=processes, show_progress_bar=False)
    spacing = plan.get("spacing") if plan else None
    plan_experiments([dataset], PLANNER, overwrite_target_spacing=spacing)
    folder = Path(os.environ[FOLDER]) / convert_id_to_dataset_name(dataset)
    path = folder / f"{PLANS}.json"
    plans = json.loads(path.read_text())
    own = plans["configurations"][CONFIGURATION]
    own |= {key: plan[key] for key in ("patch_size", "batch_size") if plan and key in plan}
    if plan:
        network = own["architecture"]["arch_kwargs"]
        network |= _topology(own, network, plan)
        network |= plan.get("arch_kwargs", {})
        path.write_text(json.dumps(plans))
    if plans["transpose_forward"] != [0, 1, 2]:
        raise SystemExit("nnU-Net turned the axes; the patch would not be the one that was asked for")
    preprocess([dataset], PLANS, (CONFIGURATION,), (processes,), show_progress_bar=False)
    (folder / "splits_final.json").write_text(json.dumps(splits))
    return {key: own[key] for key in ("patch_size", "batch_size", "spacing", "normalization_schemes")} | own[
        "architecture"
    ]["arch_kwargs"]


def _topology(own: dict, network: dict, plan: dict) -> dict:
    """Strides, kernels, widths and blocks as nnU-Net's planner derives them from spacing and patch."""
    _, strides, kernels, patch, _ = get_pool_and_conv_props(
        own["spacing"], own["patch_size"], LEAST_EDGE, 999999
    )
    if list(patch) != list(own["patch_size"]):
        raise SystemExit(f"nnU-Net would round the patch {own['patch_size']} up to {list(patch)}")
    width, max_width = plan.get("width", 32), plan.get("max_width", 320)
    stages = len(strides)
    blocks = [*network["n_blocks_per_stage"], *[6] * stages][:stages]
    return {
        "n_stages": stages,
        "strides": [list(map(int, stride)) for stride in strides],
        "kernel_sizes": [list(map(int, kernel)) for kernel in kernels],
        "features_per_stage": [min(width * 2**stage, max_width) for stage in range(stages)],
        "n_blocks_per_stage": blocks,
        "n_conv_per_stage_decoder": [1] * (stages - 1),
    }


def _trainer(dataset: int, fold: int, device: str, adam: bool = False, rate: float | None = None):
    folder = Path(os.environ[FOLDER]) / convert_id_to_dataset_name(dataset)
    plans = json.loads((folder / f"{PLANS}.json").read_text()) | {"continue_training": False}
    described = json.loads((folder / "dataset.json").read_text())
    kind = nnUNetTrainerAdam if adam else nnUNetTrainer
    trainer = kind(plans, CONFIGURATION, fold, described, torch.device(device))
    trainer.initial_lr = rate or trainer.initial_lr
    # Pictures of the progress and of the network would cost a short training a good part of its time.
    trainer.plot_network_architecture = lambda: None
    trainer.logger.plot_progress_png = lambda *_: None
    trainer.initialize()
    return trainer


def _seconds(
    work: Callable[[], object], steps: int, warm: int, device: str, clock: Callable[[], float]
) -> float:
    """Mean of the steps; on a GPU the last is waited for."""

    def wait() -> None:
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    for _ in range(warm):
        work()
    wait()
    start = clock()
    for _ in range(steps):
        work()
    wait()
    return (clock() - start) / steps


def speed(dataset: int, device: str, threads: int, steps: int, warm: int) -> dict:
    """Wall seconds of a training step with nnU-Net's own data path, and on one batch that never changes."""
    torch.set_num_threads(threads)
    trainer = _trainer(dataset, 0, device)
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    loader = trainer.dataloader_train
    real = _seconds(lambda: trainer.train_step(next(loader)), steps, warm, device, time.perf_counter)
    batch = next(loader)
    # The workers go on filling their queue and would take the cores from what is timed next.
    if hasattr(loader, "_finish"):
        loader._finish()
        trainer.dataloader_val._finish()
    fixed = _seconds(lambda: trainer.train_step(batch), steps, warm, device, time.perf_counter)
    return {
        "real_s": real,
        "fixed_s": fixed,
        "weights": sum(p.numel() for p in trainer.network.parameters()),
        "compiled": trainer._do_i_compile(),
        "workers": getattr(loader, "num_processes", 0),
        "torch": torch.__version__,
    }


def step_seconds(dataset: int, device: str, threads: int, adam: bool) -> float:
    """Seconds of a training step of fold 0, data path included: CPU time on a CPU, wall time on a GPU."""
    torch.set_num_threads(threads)
    clock = time.process_time if device == "cpu" else time.perf_counter
    _seed(0)
    trainer = _trainer(dataset, 0, device, adam)
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    return _seconds(lambda: trainer.train_step(next(trainer.dataloader_train)), 20, 3, device, clock)


def train(
    dataset: int, fold: int, device: str, threads: int, total: int, adam: bool, rate: float | None
) -> dict:
    """Train a fold for about ``total`` steps, over which the learning rate falls to zero, and predict who was
    held out."""
    torch.set_num_threads(threads)
    _seed(fold)
    trainer = _trainer(dataset, fold, device, adam, rate)
    trainer.num_epochs = max(1, min(EPOCHS, total // 5))
    trainer.num_iterations_per_epoch = max(1, round(total / trainer.num_epochs))
    # nnU-Net looks at one validation batch for every five of training.
    trainer.num_val_iterations_per_epoch = max(1, trainer.num_iterations_per_epoch // 5)
    # The schedule was made for the default number of epochs.
    trainer.optimizer, trainer.lr_scheduler = trainer.configure_optimizers()
    trainer.run_training()
    trainer.perform_actual_validation()
    return {
        "steps": trainer.num_epochs * trainer.num_iterations_per_epoch,
        "masks": str(Path(trainer.output_folder) / "validation"),
        "optimiser": type(trainer.optimizer).__name__,
        "rate": trainer.initial_lr,
    }


def _seed(seed: int) -> None:
    np.random.seed(seed)
    torch.manual_seed(seed)


if __name__ == "__main__":
    function, job, answer = sys.argv[1:]
    functions = {one.__name__: one for one in (prepare, speed, step_seconds, train)}
    found = functions[function](**json.loads(Path(job).read_text()))
    Path(answer).write_text(json.dumps(found))
