"""What each default of training is worth: out-of-fold Dice with one setting changed at a time.

    OMP_NUM_THREADS=1 python bench/ablation.py demo/results --seeds 1 2 > bench/results/ablation.md

Takes the ingest and cache volumes of a finished run and trains the folds of every variant, at the size of
the demo unless --config says otherwise. Prints a Markdown table: mean and median Dice on the ingested grid
over all held-out patients, the mean of each seed, the paired difference to the default (patient by patient,
averaged over the seeds first) with its bootstrapped 95 % interval, missed patients, and CPU seconds a fold.
Finished folds lie in --work and are not trained again, so that an interrupted bench goes on where it was.
"""

import argparse
import json
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from full_size import full_size
from lunggtv.code_identity import library_version
from lunggtv.cohort.folds import deal_folds
from lunggtv.files import read_json, write_json
from lunggtv.natural_order import natural_key
from lunggtv.settings import settings_from
from lunggtv.statistics import paired_difference
from lunggtv.tables import read_tsv
from machine import machine

ROOT = Path(__file__).parents[1]
RESAMPLES = 10000
CHANGES = (
    "mirror", "geometry", "elastic", "low_resolution", "blur", "noise", "brightness", "contrast", "gamma",
)  # fmt: skip
# Settings that differ from the default; `instead` names a function of this file that replaces one of ours,
# for what no setting offers.
VARIANTS = {
    "default": {},
    "no mirror": {"augmentation": {"mirror_share": 0.0}},
    "mirror all three axes": {"instead": "all_axes"},
    "HU window of GTV percentiles (nnU-Net)": {"instead": "gtv_window"},
    "no averaging of weights": {"ema_decay": 0.0},
    "no deep supervision": {"deep_supervision": False},
    "plain U-Net (DynUNet)": {"network": {"name": "dynunet"}},
    "foreground share 0.1": {"foreground_share": 0.1},
    "foreground share 0.5 (one sample of every batch)": {"foreground_share": 0.5},
    "foreground share 0.7": {"foreground_share": 0.7},
    "heads that start at one half": {"instead": "no_prior"},
    "no augmentation": {"augmentation": {f"{name}_share": 0.0 for name in CHANGES}},
    "two blocks a stage": {"network": {"blocks": [2]}},
}


def overlaid(base: dict, change: dict) -> dict:
    merged = dict(base)
    for key, value in change.items():
        merged[key] = overlaid(base.get(key, {}), value) if isinstance(value, dict) else value
    return merged


@contextmanager
def replaced(name: str | None):
    """Our function or number exchanged for one of this file, for a while."""
    from lunggtv.model import residual_encoder
    from lunggtv.train import batches, fit

    places = {
        "all_axes": (batches, "draw_augmentation", all_axes),
        "gtv_window": (fit, "fit_normalisation", gtv_window),
        "no_prior": (residual_encoder, "GTV_PRIOR", 0.5),
    }
    if name is None:
        yield
        return
    module, attribute, other = places[name]
    before = getattr(module, attribute)
    setattr(module, attribute, other)
    try:
        yield
    finally:
        setattr(module, attribute, before)


def all_axes(generator, settings, extent_mm):
    """Ours, and head-feet and front-back swapped in half of the samples each: a half turn about an axis swaps
    the other two, so with our left-right mirror two turns give all eight ways."""
    from lunggtv.train.augmentation import draw_augmentation

    change = draw_augmentation(generator, settings, extent_mm)
    about_z, about_y, about_x = change.rotation_deg
    about_z += 180.0 * (change.noise_seed & 1)
    about_y += 180.0 * (change.noise_seed >> 1 & 1)
    return replace(change, rotation_deg=(about_z, about_y, about_x))


def gtv_window(patients):
    """nnU-Net's CT scheme: the window is the 0.5th to 99.5th percentile of GTV voxels; air may be clipped."""
    import numpy as np
    from lunggtv.model.normalisation import Normalisation

    voxels = np.concatenate([ct[label > 0] for ct, label in patients]).astype(float)
    lower, upper = np.percentile(voxels, (0.5, 99.5))
    inside = voxels.clip(lower, upper)
    return Normalisation(float(lower), float(upper), float(inside.mean()), float(inside.std()))


def train_and_score(
    results: Path, work: Path, section: dict, instead: str | None, fold: int, count: int, device: str = "cpu"
) -> dict:
    """One fold: seconds (of CPU time on a CPU) and the Dice of its held-out patients. Kept on disk by content of
    the settings."""
    from lunggtv.train.deliver import FoldFiles
    from lunggtv.train.state import fingerprint_of
    from lunggtv.train.train_fold import train_fold
    from lunggtv.train.train_settings import TrainSettings
    from lunggtv.train.validate_fold import HeldOut, validate_fold

    settings = settings_from(TrainSettings, section)
    content = {"settings": settings.to_dict(), "instead": instead}
    folder = work / fingerprint_of(content) / f"fold{fold}"
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
    files = FoldFiles(
        weights=folder / "weights.safetensors", card=folder / "card.json", history=folder / "history.tsv",
        snapshots=folder / "snapshots.safetensors", samples=folder / "samples.safetensors",
    )  # fmt: skip
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    with replaced(instead):
        train_fold(
            fold=fold, caches=caches, verdicts={}, settings=settings, config=section, identity=content,
            files=files, state_folder=folder / "state", device=device,
        )  # fmt: skip
    trained = clock()
    table = folder / "validation.tsv"
    validate_fold(
        fold=fold, weights=files.weights, card=files.card, snapshots=files.snapshots, held_out=held_out,
        validation=table, model=folder / "described.json", device=device,
    )  # fmt: skip
    rows = [row for row in read_tsv(table) if int(row["step"]) == settings.steps]
    found = {
        "train_s": trained - start,
        "validate_s": clock() - trained,
        "dice": {row["patient"]: float(row["dice"]) for row in rows},
    }
    write_json(known, found)
    return found


def has_label(results: Path, patient: str) -> bool:
    import h5py

    with h5py.File(results / "cache" / patient / "volume.h5", "r") as file:
        return "label" in file


def patient_means(seeds: list[list[dict]]) -> dict[str, float]:
    """Dice of each patient, averaged over the seeds, in natural order."""
    per_seed = [{p: d for found in row for p, d in found["dice"].items()} for row in seeds]
    return {p: statistics.mean(dice[p] for dice in per_seed) for p in sorted(per_seed[0], key=natural_key)}


def table_row(name: str, seeds: list[list[dict]], default: dict[str, float] | None) -> str:
    dice = [[d for found in row for d in found["dice"].values()] for row in seeds]
    every = [d for row in dice for d in row]
    means = ", ".join(f"{statistics.mean(row):.3f}" for row in dice)
    difference = ""
    if default is not None:
        own = patient_means(seeds)
        paired = paired_difference(list(own.values()), [default[p] for p in own], RESAMPLES, 2019)
        difference = f"{paired.mean_difference:+.3f} ({paired.ci95[0]:+.3f} to {paired.ci95[1]:+.3f})"
    missed = sum(d == 0 for d in every)
    seconds = statistics.mean(found["train_s"] for row in seeds for found in row)
    return (
        f"|{name}|{statistics.mean(every):.3f}|{statistics.median(every):.3f}|{means}|{difference}"
        f"|{missed} of {len(every)}|{seconds:.0f}|"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", type=Path, help="results folder of a finished run")
    parser.add_argument("--config", type=Path, default=ROOT / "profiles" / "demo" / "small.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, help="of every training (default: those of the settings)")
    parser.add_argument("--folds", type=int, nargs="+", help="folds to train (default: all)")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / ".work.ablation")
    options = parser.parse_args()
    base = overlaid(full_size(), yaml.safe_load(options.config.read_text(encoding="utf-8")))
    count = base["folds"]["count"]
    folds = options.folds or list(range(count))
    section = overlaid(base["train"], {"snapshots": 1})
    section["steps"] = options.steps or section["steps"]
    del section["run_folds"], section["start_from"]
    print("# What each default of training is worth\n")
    chosen = f" --folds {' '.join(map(str, folds))}" if options.folds else ""
    chosen += f" --steps {options.steps}" if options.steps else ""
    seeds = " ".join(map(str, options.seeds))
    print(
        f"`OMP_NUM_THREADS=1 python bench/ablation.py demo/results --seeds {seeds}{chosen} > "
        "bench/results/ablation.md`\n"
    )
    print(
        f"Folds {', '.join(map(str, folds))} of {count}, seeds {seeds}, {section['steps']} steps; one thread a fold; "
        f"{machine()}; torch {library_version('torch')}.\n"
    )
    print("|variant|mean Dice|median|mean of each seed|difference to the default (95 %)|missed|CPU s a fold|")
    print("|---|---|---|---|---|---|---|", flush=True)
    default = None
    # A fresh process a job: torch does not outlive a fork.
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for name in options.variants:
            change = json.loads(json.dumps(VARIANTS[name]))
            instead = change.pop("instead", None)
            sections = [overlaid(section, {**change, "seed": seed}) for seed in options.seeds]
            jobs = [
                [
                    pool.submit(train_and_score, options.results, options.work, one, instead, fold, count)
                    for fold in folds
                ]
                for one in sections
            ]
            seeds = [[job.result() for job in row] for row in jobs]
            print(table_row(name, seeds, default), flush=True)
            if name == "default":
                default = patient_means(seeds)


if __name__ == "__main__":
    main()
