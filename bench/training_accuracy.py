"""Out-of-fold accuracy: LungGTV against nnU-Net v2 on the same patients, folds and budget.

    python bench/training_accuracy.py demo > bench/results/training_accuracy.md

Takes the working folder of a finished run (`make demo`) and its drafts as they are. nnU-Net gets the same CTs and
labels on their original grids, the same folds, and for each fold as many seconds as our training and validation
of a fold take: CPU seconds on one thread where there is no GPU, else wall seconds. Its seconds a step are
measured first and its schedule is made to end with the budget. Every mask is scored on the original grid by
lunggtv.evaluate. nnU-Net's arms: patch, batch and width of ours, since on a CPU its own choices would see a handful
of steps; topology, spacing, preprocessing, sampling, augmentation, loss and prediction (windows, mirrored along
all axes) are its own, from its residual-encoder planner; `sgd` is its default optimiser, `adamw` its AdamW
variant at our learning rate, `wide` its default width. nnU-Net trains one fold after the other; augmentation
runs in the training process, so that CPU seconds count all there is.
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

from ablation import train_and_score
from lunggtv.evaluate.compare import compare_records
from lunggtv.evaluate.run import evaluate_patient
from lunggtv.evaluate.settings import CohortSettings, EvaluateSettings
from lunggtv.folds import natural_key
from lunggtv.geometry import Grid, Orientation
from lunggtv.storage import read_json, read_tsv, write_json
from lunggtv.volume import read_volume
from nnunet_peer import DATASET, PACKAGE, Peer, find_peer, machine

ROOT = Path(__file__).parents[1]
TOLERANCES_MM, LESION_OVERLAP = (1.0, 2.0, 3.0, 5.0), 0.1
COHORT = CohortSettings(volume_edges_ml=(10, 50), resamples=10000, seed=2019)
COLUMNS = ("dice", "surface_dice_5mm", "hd95_mm")


def originals(run: Path, patients: list[str]) -> Iterator[tuple[str, np.ndarray, np.ndarray, Grid]]:
    """CT and label of each patient as they came, on the original grid."""
    for patient in patients:
        volume = read_volume(run / "results" / "ingest" / patient / "volume.h5", "ingest")
        turn = Orientation.from_dict(volume.metadata["orientation"])
        grid = Grid.from_dict(volume.metadata["original"])
        yield patient, turn.undo(volume.ct), turn.undo(volume.label), grid


def our_seconds(run: Path, work: Path, config: dict, device: str) -> float:
    """What our training and validation of a fold take, from doing those of fold 0 again."""
    # A fresh process: what the C library keeps of freed memory must not help what runs here later.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        arguments = (
            run / "results",
            work / "lunggtv",
            config["train"],
            None,
            0,
            config["folds"]["count"],
            device,
        )
        found = pool.submit(train_and_score, *arguments).result()
    return found["train_s"] + found["validate_s"]


def plan_of(run_config: dict, arm: str) -> dict:
    train = run_config["train"]
    plan = {"patch_size": train["patch_shape"], "batch_size": train["batch"]}
    if arm != "wide":
        plan |= {"width": train["network"]["width"], "max_width": train["network"]["max_width"]}
    return plan


def train_arm(
    peer: Peer,
    run: Path,
    folds: dict[str, int],
    arm: str,
    config: dict,
    device: str,
    budget_s: float,
    kept: Path,
) -> list[dict]:
    """nnU-Net's trainings of one arm, fold by fold; finished folds are kept and not trained again."""
    patients = sorted(folds, key=natural_key)
    count = max(folds.values()) + 1
    splits = [
        {
            "train": [p for p in patients if folds[p] != fold],
            "val": [p for p in patients if folds[p] == fold],
        }
        for fold in range(count)
    ]
    threads = 1 if device == "cpu" else len(os.sched_getaffinity(0))
    workers = 0 if device == "cpu" else min(12, threads)
    answers = kept / "answers.json"
    found = read_json(answers) if answers.is_file() else []
    if len(found) < count:
        peer.give(originals(run, patients))
        arguments = {"dataset": DATASET, "splits": splits, "plan": plan_of(config, arm)}
        plan = peer.call("prepare", {**arguments, "processes": max(1, workers)}, workers, threads)
        write_json(kept / "plan.json", plan)
    for fold in range(len(found), count):
        adam = arm == "adamw"
        rate = config["train"]["learning_rate"] if adam else None
        job = {"dataset": DATASET, "fold": fold, "device": device, "threads": threads, "budget_s": budget_s}
        found.append(peer.call("train", {**job, "adam": adam, "rate": rate}, workers, threads))
        write_json(answers, found)
    return found


def score(run: Path, answers: list[dict], folds: dict[str, int], kept: Path) -> list[dict]:
    """Scores of nnU-Net's masks of the held-out patients."""
    settings = EvaluateSettings(TOLERANCES_MM, LESION_OVERLAP)
    records = []
    for patient, fold in folds.items():
        record, picture = (kept / "scores" / f"{patient}.{end}" for end in ("json", "png"))
        record.parent.mkdir(parents=True, exist_ok=True)
        volume = run / "results" / "ingest" / patient / "volume.h5"
        mask = Path(answers[fold]["masks"]) / f"{patient}.nii.gz"
        evaluate_patient(volume, mask, None, settings, record, picture)
        records.append(read_json(record))
    return records


def table_row(name: str, records: list[dict], seconds: str, steps: str, against: dict | None) -> str:
    dice = [record["dice"] for record in records]
    missed = sum(value == 0 for value in dice)
    others = "|".join(f"{statistics.mean(r[key] for r in records):.3g}" for key in COLUMNS[1:])
    difference = "|"
    if against is not None:
        low, high = against["ci95"]
        wins = against["wins"]
        difference = f"{against['mean_difference']:+.3f} ({low:+.3f} to {high:+.3f})|{wins['first']} : {wins['second']}"
    return (
        f"|{name}|{statistics.mean(dice):.3f}|{statistics.median(dice):.3f}|{missed} of {len(dice)}|{others}"
        f"|{difference}|{steps}|{seconds}|"
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
    parser.add_argument("--peer-python", type=Path, help="interpreter that has nnU-Net")
    parser.add_argument("--wheels", type=Path, help="folder to install nnU-Net from, without an index")
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / ".work.training_accuracy")
    options = parser.parse_args()
    work, run = options.work.resolve(), options.run.resolve()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = laid_over(
        *(yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / "config.yaml", options.config))
    )
    scored = {path.stem for path in (run / "results" / "evaluate").glob("*.json")} - {"summary"}
    rows = read_tsv(run / "results" / "folds.tsv")
    folds = {row["patient"]: int(row["fold"]) for row in rows if row["patient"] in scored}
    ours = [read_json(run / "results" / "evaluate" / f"{patient}.json") for patient in folds]
    budget_s = our_seconds(run, work, config, device)
    kind = "CPU s" if device == "cpu" else "s"
    unit = "one thread" if device == "cpu" else "one GPU"
    print(
        f"{len(folds)} patients, {len(set(folds.values()))} folds; {machine(device)}, {unit} a fold; "
        f"{PACKAGE.replace('==', ' ')}; torch {torch.__version__}. Difference: LungGTV minus nnU-Net, patient by "
        "patient, with bootstrapped 95 % interval.\n"
    )
    print(
        f"| |mean Dice|median|Dice 0|surface Dice 5 mm|HD95, mm|difference in Dice|wins|steps a fold|{kind} a fold|"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    print(table_row("LungGTV", ours, f"{budget_s:.0f}", str(config["train"]["steps"]), None))
    dice = {"LungGTV": [record["dice"] for record in ours]}
    for arm in options.arms:
        kept = work / arm
        peer = Peer(find_peer(options.peer_python, work, options.wheels).python, kept / "nnunet")
        answers = train_arm(peer, run, folds, arm, config, device, budget_s, kept)
        theirs = score(run, answers, folds, kept)
        compared = compare_records("LungGTV", ours, f"nnU-Net, {arm}", theirs, COHORT)["metrics"]["dice"]
        mean_s = statistics.mean(a["seconds"] for a in answers)
        steps = "{} to {}".format(*(pick(a["steps"] for a in answers) for pick in (min, max)))
        name = f"nnU-Net, {arm} ({answers[0]['optimiser']} {answers[0]['rate']:g})"
        print(table_row(name, theirs, f"{mean_s:.0f}", steps, compared), flush=True)
        dice[name] = [record["dice"] for record in theirs]
    print(f"\nDice of each patient:\n\n|patient|label, ml|{'|'.join(dice)}|\n|---|---|{'---|' * len(dice)}")
    for index, record in enumerate(ours):
        values = "|".join(f"{column[index]:.3f}" for column in dice.values())
        print(f"|{record['patient']}|{record['label_ml']:.1f}|{values}|")


if __name__ == "__main__":
    main()
