"""Out-of-fold accuracy: LungGTV against nnU-Net v2 on the same patients, folds, cores and training time.

    python bench/training_accuracy.py demo > bench/results/training_accuracy.md

Takes the working folder of a finished run (`make demo`) and its drafts as they are. nnU-Net gets the same CTs and
labels on their original grids and the same folds. The cost of a training step, data path included, is measured
for both first, one after the other (CPU seconds on one thread where there is no GPU, else wall seconds; the
machine should be idle), and nnU-Net gets as many steps as fit into the time of ours; its learning rate falls to
zero over them. What both spend on validation comes on top. Every mask is scored on the original grid by
lunggtv.evaluate.

nnU-Net's arms: patch, batch and width of ours, since on a CPU its own choices would see a handful of steps;
topology, spacing, preprocessing, sampling, augmentation, loss and prediction (windows, mirrored along all axes)
are its own, from its residual-encoder planner. `sgd` is its default optimiser, `adamw` its AdamW variant at our
learning rate, `wide` its default width with sgd.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from full_size import full_size
from lunggtv.evaluate.comparison import compare_records
from lunggtv.evaluate.evaluate_patient import evaluate_patient
from lunggtv.evaluate.evaluate_settings import CohortSettings, EvaluateSettings
from lunggtv.files import read_json, write_json
from lunggtv.geometry import Grid, Orientation
from lunggtv.model.device import claimed_device
from lunggtv.model.numerics import numerics
from lunggtv.natural_order import natural_key
from lunggtv.settings import settings_from
from lunggtv.tables import read_tsv
from lunggtv.train.train_settings import TrainSettings
from lunggtv.volume import read_volume
from machine import machine
from nnunet_peer import DATASET, PACKAGE, Peer, find_peer
from training_speed import median_ms, workload

ROOT = Path(__file__).parents[1]
TOLERANCES_MM, LESION_OVERLAP = (1.0, 2.0, 3.0, 5.0), 0.1
COHORT = CohortSettings(volume_edges_ml=(10, 50), resamples=10000, seed=2019)
COLUMNS = ("surface_dice_5mm", "hd95_mm")


def originals(run: Path, patients: list[str]) -> Iterator[tuple[str, np.ndarray, np.ndarray, Grid]]:
    """CT and label of each patient as they came, on the original grid."""
    for patient in patients:
        volume = read_volume(run / "results" / "ingest" / patient / "volume.h5", "ingest")
        turn = Orientation.from_dict(volume.metadata["orientation"])
        grid = Grid.from_dict(volume.metadata["original"])
        yield patient, turn.undo(volume.ct), turn.undo(volume.label), grid


def our_step_seconds(run: Path, config: dict, device: str) -> float:
    """Seconds of a step of our training, data path included."""
    section = {key: value for key, value in config["train"].items() if key not in ("run_folds", "start_from")}
    settings = settings_from(TrainSettings, section)
    rows = read_tsv(run / "results" / "folds.tsv")
    caches = [
        str(run / "results" / "cache" / row["patient"] / "volume.h5") for row in rows if row["fold"] != "0"
    ]
    with claimed_device(device) as home, numerics(settings.deterministic, threads_on(device)):
        return median_ms([workload(settings, caches, home).real_step], 20, home)[0] / 1e3


def threads_on(device: str) -> int:
    return 1 if device == "cpu" else len(os.sched_getaffinity(0))


def plan_of(run_config: dict, arm: str) -> dict:
    train = run_config["train"]
    plan = {"patch_size": train["patch_shape"], "batch_size": train["batch"]}
    if arm != "wide":
        plan |= {"width": train["network"]["width"], "max_width": train["network"]["max_width"]}
    return plan


def measure_arm(peer: Peer, run: Path, folds: dict[str, int], arm: str, config: dict, device: str) -> dict:
    """nnU-Net's plan of an arm, and seconds of a step of ours and of its; kept once measured."""
    known = peer.work.parent / "seconds.json"
    if known.is_file():
        return read_json(known)
    patients = sorted(folds, key=natural_key)
    peer.give(originals(run, patients))
    splits = [
        {
            "train": [p for p in patients if folds[p] != fold],
            "val": [p for p in patients if folds[p] == fold],
        }
        for fold in range(max(folds.values()) + 1)
    ]
    threads = threads_on(device)
    job = {"dataset": DATASET, "splits": splits, "plan": plan_of(config, arm), "processes": threads}
    plan = peer.call("prepare", job, threads, threads)
    job = {"dataset": DATASET, "device": device, "threads": threads, "adam": arm == "adamw"}
    # A fresh process: what the C library keeps of freed memory must not stay behind.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        ours = pool.submit(our_step_seconds, run, config, device).result()
    theirs = peer.call("step_seconds", job, workers_on(device), threads)
    write_json(known, {"ours": ours, "theirs": theirs, "plan": plan})
    return read_json(known)


def workers_on(device: str) -> int:
    """Processes of nnU-Net's for augmentation: none on a CPU, so that CPU seconds count all there is."""
    return 0 if device == "cpu" else min(12, threads_on(device))


def train_arm(
    peer: Peer, folds: dict[str, int], adam: bool, rate: float | None, total: int, device: str
) -> list[dict]:
    """nnU-Net's trainings of one arm, fold by fold; finished folds are kept and not trained again."""
    answers = peer.work.parent / "answers.json"
    found = read_json(answers) if answers.is_file() else []
    for fold in range(len(found), max(folds.values()) + 1):
        job = {
            "dataset": DATASET,
            "fold": fold,
            "device": device,
            "threads": threads_on(device),
            "total": total,
        }
        found.append(
            peer.call("train", {**job, "adam": adam, "rate": rate}, workers_on(device), threads_on(device))
        )
        write_json(answers, found)
    return found


def score(run: Path, answers: list[dict], folds: dict[str, int], kept: Path) -> list[dict]:
    """Scores of nnU-Net's masks of the held-out patients."""
    settings = EvaluateSettings(TOLERANCES_MM, LESION_OVERLAP)
    records = []
    for patient, fold in folds.items():
        record = kept / "scores" / f"{patient}.json"
        record.parent.mkdir(parents=True, exist_ok=True)
        volume = run / "results" / "ingest" / patient / "volume.h5"
        mask = Path(answers[fold]["masks"]) / f"{patient}.nii.gz"
        evaluate_patient(
            volume_path=volume, prediction_path=mask, fold=None, settings=settings, json_path=record
        )
        records.append(read_json(record))
    return records


def table_row(name: str, step_s: float, steps: int, records: list[dict], against: dict | None) -> str:
    dice = [record["dice"] for record in records]
    missed = sum(value == 0 for value in dice)
    others = "|".join(f"{statistics.mean(r[key] for r in records):.3g}" for key in COLUMNS)
    difference = "|"
    if against is not None:
        (low, high), wins = against["ci95"], against["wins"]
        difference = f"{against['mean_difference']:+.3f} ({low:+.3f} to {high:+.3f})|{wins['first']} : {wins['second']}"
    return (
        f"|{name}|{step_s:.3f}|{steps}|{statistics.mean(dice):.3f}|{statistics.median(dice):.3f}"
        f"|{missed} of {len(dice)}|{others}|{difference}|"
    )


def laid_over(base: dict, change: dict) -> dict:
    return base | {k: laid_over(base.get(k, {}), v) if isinstance(v, dict) else v for k, v in change.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "run", type=Path, help="working folder of a finished run, with results and benchmarks"
    )
    parser.add_argument("--config", type=Path, default=ROOT / "profiles" / "demo" / "small.yaml")
    parser.add_argument("--arms", nargs="+", choices=("sgd", "adamw", "wide"), default=["sgd", "adamw"])
    parser.add_argument("--measure-only", action="store_true", help="measure the steps, train nothing")
    parser.add_argument("--peer-python", type=Path, help="interpreter that has nnU-Net")
    parser.add_argument("--wheels", type=Path, help="folder to install nnU-Net from, without an index")
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / ".work.training_accuracy")
    options = parser.parse_args()
    work, run = options.work.resolve(), options.run.resolve()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = laid_over(full_size(), yaml.safe_load(options.config.read_text(encoding="utf-8")))
    scored = {path.stem for path in (run / "results" / "evaluate").glob("*.json")} - {"summary"}
    rows = read_tsv(run / "results" / "folds.tsv")
    folds = {row["patient"]: int(row["fold"]) for row in rows if row["patient"] in scored}
    ours = [read_json(run / "results" / "evaluate" / f"{patient}.json") for patient in folds]
    python = find_peer(options.peer_python, work, options.wheels).python
    peers = {arm: Peer(python, work / arm / "nnunet") for arm in options.arms}
    # All measurements before the first training.
    costs = {arm: measure_arm(peer, run, folds, arm, config, device) for arm, peer in peers.items()}
    if options.measure_only:
        return
    print("# Out-of-fold Dice: LungGTV and nnU-Net, same patients, folds, cores and training time\n")
    print("`python bench/training_accuracy.py demo > bench/results/training_accuracy.md`\n")
    unit = "CPU time of one thread" if device == "cpu" else "wall time"
    print(
        f"{len(folds)} patients, {len(set(folds.values()))} folds; {machine(device)}; {PACKAGE.replace('==', ' ')}; "
        f"torch {torch.__version__}. Seconds a step: {unit}. Difference: LungGTV minus nnU-Net, patient by patient, "
        "with bootstrapped 95 % interval.\n"
    )
    print(
        "| |s a step|steps a fold|mean Dice|median|Dice 0|surface Dice 5 mm|HD95, mm|difference in Dice|wins|"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    steps = config["train"]["steps"]
    our_s = statistics.mean(cost["ours"] for cost in costs.values())
    print(table_row("LungGTV", our_s, steps, ours, None), flush=True)
    dice = {"LungGTV": [record["dice"] for record in ours]}
    for arm, peer in peers.items():
        adam, cost = arm == "adamw", costs[arm]
        total = round(steps * cost["ours"] / cost["theirs"])
        answers = train_arm(
            peer, folds, adam, config["train"]["learning_rate"] if adam else None, total, device
        )
        theirs = score(run, answers, folds, peer.work.parent)
        compared = compare_records("LungGTV", ours, f"nnU-Net, {arm}", theirs, COHORT)["metrics"]["dice"]
        name = f"nnU-Net, {arm} ({answers[0]['optimiser']} {answers[0]['rate']:g})"
        print(table_row(name, cost["theirs"], answers[0]["steps"], theirs, compared), flush=True)
        dice[name] = [record["dice"] for record in theirs]
    print(f"\nDice of each patient:\n\n|patient|label, ml|{'|'.join(dice)}|\n|---|---|{'---|' * len(dice)}")
    for index, record in enumerate(ours):
        values = "|".join(f"{column[index]:.3f}" for column in dice.values())
        print(f"|{record['patient']}|{record['label_ml']:.1f}|{values}|")


if __name__ == "__main__":
    main()
