"""What each default of training is worth: out-of-fold Dice with one setting changed at a time.

    OMP_NUM_THREADS=1 python bench/ablation.py demo/results --seeds 1 2 3 --jobs 2 > bench/results/ablation.md

Takes the ingest and cache volumes of a finished run and trains every fold of every variant, at the size of
the demo unless --config says otherwise. Prints a Markdown table: mean and median Dice on the ingested grid
over all held-out patients, the spread of the means over the seeds, CPU seconds a fold. With a dozen phantoms
differences under 0.05 are noise. States lie in --work, so that an interrupted bench goes on where it was.
"""

import argparse
import json
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from lunggtv.folds import deal_folds
from lunggtv.storage import read_json, read_tsv, write_json

ROOT = Path(__file__).parents[1]
CHANGES = (
    "mirror", "geometry", "elastic", "low_resolution", "blur", "noise", "brightness", "contrast", "gamma",
)  # fmt: skip
VARIANTS = {
    "default": {},
    "no mirror": {"augmentation": {"mirror_share": 0.0}},
    "no augmentation": {"augmentation": {f"{name}_share": 0.0 for name in CHANGES}},
    "foreground share 0.1": {"foreground_share": 0.1},
    "foreground share 0.7": {"foreground_share": 0.7},
    "no averaging of weights": {"ema_decay": 0.0},
    "no deep supervision": {"deep_supervision": False},
    "plain U-Net (DynUNet)": {"network": {"name": "dynunet"}},
    "two blocks a stage": {"network": {"blocks": [2]}},
}


def overlaid(base: dict, change: dict) -> dict:
    merged = dict(base)
    for key, value in change.items():
        merged[key] = overlaid(base.get(key, {}), value) if isinstance(value, dict) else value
    return merged


def train_and_score(results: Path, work: Path, section: dict, fold: int, count: int) -> dict:
    """One fold: CPU seconds and the Dice of its held-out patients. Kept on disk by content of the section."""
    from lunggtv.train.run import FoldFiles, train_fold
    from lunggtv.train.settings import TrainSettings
    from lunggtv.train.state import fingerprint_of
    from lunggtv.train.validation import HeldOut, validate_fold

    folder = work / fingerprint_of(section) / f"fold{fold}"
    known = folder / "result.json"
    if known.is_file():
        return read_json(known)
    patients = [path.name for path in (results / "cache").iterdir() if path.is_dir()]
    labelled = [patient for patient in patients if has_label(results, patient)]
    folds = deal_folds(labelled, count, 2019)
    caches = {p: str(results / "cache" / p / "volume.h5") for p, own in folds.items() if own != fold}
    held_out = {
        p: HeldOut(results / "cache" / p / "volume.h5", results / "ingest" / p / "volume.h5")
        for p, own in folds.items()
        if own == fold
    }
    settings = TrainSettings.from_config(section)
    names = ("weights.safetensors", "model.json", "history.tsv", "snapshots.safetensors")
    files = FoldFiles(*(folder / name for name in names))
    start = time.process_time()
    train_fold(fold, caches, list(held_out), settings, section, {}, files, folder / "state", device="cpu")
    seconds = time.process_time() - start
    table = folder / "validation.tsv"
    validate_fold(
        fold, files.weights, files.model, files.snapshots, files.history, held_out, caches, settings, table,
        folder / "curves.svg", folder / "augmentation.png", folder / "described.json", device="cpu",
    )  # fmt: skip
    rows = [row for row in read_tsv(table) if int(row["step"]) == settings.steps]
    found = {"cpu_s": seconds, "dice": {row["patient"]: float(row["dice"]) for row in rows}}
    write_json(known, found)
    return found


def has_label(results: Path, patient: str) -> bool:
    import h5py

    with h5py.File(results / "cache" / patient / "volume.h5", "r") as file:
        return "label" in file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", type=Path, help="results folder of a finished run")
    parser.add_argument("--config", type=Path, default=ROOT / "profiles" / "demo" / "small.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("/tmp/lunggtv-ablation"))
    options = parser.parse_args()
    base = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    base = overlaid(base, yaml.safe_load(options.config.read_text(encoding="utf-8")))
    count = base["folds"]["count"]
    section = overlaid(base["train"], {"snapshots": 1})
    print(f"{options.results}, {count} folds, seeds {options.seeds}, {section['steps']} steps\n")
    print("|variant|mean Dice|median|means of the seeds|CPU s a fold|\n|---|---|---|---|---|", flush=True)
    # A fresh process a job: torch does not outlive a fork.
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for name in options.variants:
            change = json.loads(json.dumps(VARIANTS[name]))
            sections = [overlaid(section, {**change, "seed": seed}) for seed in options.seeds]
            jobs = [
                [
                    pool.submit(train_and_score, options.results, options.work, one, fold, count)
                    for fold in range(count)
                ]
                for one in sections
            ]
            seeds = [[job.result() for job in row] for row in jobs]
            dice = [[d for found in row for d in found["dice"].values()] for row in seeds]
            every = [d for row in dice for d in row]
            means = ", ".join(f"{statistics.mean(row):.3f}" for row in dice)
            seconds = statistics.mean(found["cpu_s"] for row in seeds for found in row)
            print(
                f"|{name}|{statistics.mean(every):.3f}|{statistics.median(every):.3f}|{means}|{seconds:.0f}|",
                flush=True,
            )


if __name__ == "__main__":
    main()
