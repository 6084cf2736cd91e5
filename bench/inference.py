"""From a raw NIfTI CT to a mask NIfTI: LungGTV against nnU-Net v2, one patient, whole processes on CPU cores.

    python bench/inference.py --peer /path/to/nnunet/bin/python > bench/results/inference.md

One full-size phantom of the usual voxels (95 x 512 x 512, 5 x 1.17 x 1.17 mm). Both tools get the same file, the same
cores, and a network of the same kind and size with random weights: the residual encoder with the features, blocks and
stages of the demo. nnU-Net plans spacing, patch and strides by its own planner (ResEncM) on this CT, predicts by
`nnUNetv2_predict` with its defaults, and once more without mirroring. LungGTV works at the spacing and with the patch
of config.yaml: as a whole Snakemake run with a model package (verdict, checks, pictures, review queue and report
included), and as the bare chain of its four steps, a process each. Process starts are included everywhere. Memory is
the peak of the proportional set sizes of all processes of a tool together (shared pages count once).
Without --peer nnU-Net is installed below --work. --part measures a part and takes the other rows from the last run.
"""

import argparse
import os
import platform
import shutil
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from full_size import full_size
from lunggtv.files import read_json, write_json
from lunggtv.image_files import read_image
from lunggtv.model.architecture import Architecture, plan_architecture
from lunggtv.model.network import build_network
from lunggtv.model.normalisation import Normalisation
from lunggtv.model.weights import save_model
from lunggtv.package.package_models import package_models
from lungphantom.body import paint_phantom
from lungphantom.make_phantom import make_phantom
from lungphantom.plan import FULL, PhantomSettings, plan_cohort
from nnunet_peer import find_peer
from nnunet_predict import Peer, fresh
from process_cost import Cost, measured

ROOT = Path(__file__).parents[1]
CONFIG = full_size()
SMALL = yaml.safe_load((ROOT / "profiles" / "demo" / "small.yaml").read_text(encoding="utf-8"))
# A random network says about one half everywhere. Its threshold is set where it draws about this much, in many
# small parts: more work than a tumour is.
DRAWN_ML = 40.0
# A patient as the cohorts' median: 95 slices, pixels of 1.17 mm, so that neither tool resamples.
SEED = 3


def make_patient(folder: Path) -> Path:
    """The folder of a full-size phantom, made once: data.nii.gz and label.nii.gz."""
    patient = folder / "labelled" / "1"
    if not (patient / "label.nii.gz").is_file():
        make_phantom(PhantomSettings(1, 0, 0, FULL, SEED), folder, 1)
    return patient


# LungGTV


def demo_network() -> Architecture:
    """The demo's network at the spacing and patch of full size."""
    network, train = SMALL["train"]["network"], CONFIG["train"]
    return plan_architecture(
        "residual_encoder", tuple(CONFIG["cache"]["spacing_mm"]), tuple(train["patch_shape"]),
        network["width"], network["max_width"], network["blocks"],
    )  # fmt: skip


def save_untrained(folder: Path, architecture: Architecture, fold: int = 0) -> tuple[Path, Path]:
    """Weights and card of a model that has learnt nothing."""
    card = {
        "architecture": architecture.to_dict(), "cache_digests": {}, "code": {}, "config": {}, "fold": fold,
        "held_out_patients": [], "normalisation": Normalisation(-1000, 200, -50, 150).to_dict(), "seed": 0,
        "spacing_mm": list(architecture.spacing_mm), "steps": 0, "train_patients": [],
        "versions": {"torch": version("torch")},
    }  # fmt: skip
    paths = (folder / "weights.safetensors", folder / "model.json")
    save_model(*paths, dict(build_network(architecture).named_parameters()), card)
    return paths


def make_package(work: Path, architecture: Architecture, threshold: float, mirror: bool) -> Path:
    """A package of one model with random weights, drawn from a threshold."""
    model = save_untrained(work / "model", architecture)
    lesson = {"expected_dice": None, "patients": 0, "smallest_lesion_ml": 0.5, "threshold": threshold}
    write_json(
        work / "model" / "calibration.json",
        {"all": lesson, "curve": {"mean_dice": [0.0], "thresholds": [threshold]}, "quality": None},
    )
    (plan,) = plan_cohort(PhantomSettings(1, 0))
    phantom = paint_phantom(plan)
    settings = {
        "cache": {key: CONFIG["cache"][key] for key in ("spacing_mm", "keep_native_within", "margin_mm")},
        "infer": {"mirror": mirror},
    }
    package_models(
        [model], work / "model" / "calibration.json", (phantom.ct, phantom.label, phantom.grid), settings,
        work / "package.zip",
    )  # fmt: skip
    return work / "package.zip"


def run_workflow(patient: Path, work: Path, package: Path, mirror: bool, cores: int) -> tuple[Cost, Path]:
    """Cost of a whole run on a new patient, and its mask."""
    place = fresh(work / "workflow")
    (place / "raw" / "1").mkdir(parents=True)
    shutil.copy(patient / "data.nii.gz", place / "raw" / "1")
    command = [sys.executable, "-m", "snakemake", "infer", "--cores", str(cores), "--directory", str(place)]
    command += ["--set-threads", f"predict_patient={cores}"]
    command += ["--config", f"model={package}", "data={labelled: null, unlabelled: raw}"]
    return measured(
        [command], work / f"workflow-{mirror}.log"
    ), place / "results" / "infer" / "1" / "gtv.nii.gz"


STEPS = {
    "ingest": """
        from lunggtv.ingest.ingest_patient import ingest_patient; from lunggtv.patient_files import PatientFiles
        from lunggtv.ingest.ingest_settings import IngestSettings
        ct = place / "data.nii.gz"
        ingest_patient(PatientFiles("1", False, place, (ct,), ct), IngestSettings.from_config(config["ingest"]),
                       volume_path=place / "ingest.h5", verdict_path=place / "verdict.json")""",
    "cache": """
        from lunggtv.cache.cache_patient import cache_patient; from lunggtv.cache.cache_settings import CacheSettings
        from lunggtv.settings import settings_from
        cache_patient(place / "ingest.h5", settings_from(CacheSettings, config["cache"]),
                      cache_path=place / "cache.h5", crop_json_path=place / "crop.json")""",
    "predict": """
        from lunggtv.infer.predict_patient import predict_patient
        predict_patient(place / "cache.h5", [(model / "weights.safetensors", model / "model.json")], mirror,
                        place / "prediction.h5", threads=cores)""",
    "draw": """
        from lunggtv.infer.infer_patient import infer_patient
        infer_patient(prediction_path=place / "prediction.h5", calibration_path=model / "calibration.json", fold=None,
                      review_dice=0.7, mask_path=place / "gtv.nii.gz", json_path=place / "infer.json")""",
}


def chain(patient: Path, work: Path, mirror: bool, cores: int) -> dict[str, list[str]]:
    """The commands of the four steps on a fresh folder, by name."""
    place = fresh(work / "chain")
    shutil.copy(patient / "data.nii.gz", place)
    given = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'workflow')!r}); from pathlib import Path\n"
        f"place, model, mirror, cores = Path({str(place)!r}), Path({str(work / 'model')!r}), {mirror}, {cores}\n"
        f"config = {CONFIG!r}\n"
    )
    return {name: [sys.executable, "-c", given + dedent(code)] for name, code in STEPS.items()}


def dedent(code: str) -> str:
    return "\n".join(line[8:] for line in code.splitlines())


def find_threshold(prediction: Path) -> float:
    """The probability above which the random network draws about ``DRAWN_ML``."""
    import numpy as np
    from lunggtv.infer.prediction_file import read_prediction

    found = read_prediction(prediction)
    return float(np.quantile(found.mean, 1 - DRAWN_ML / (found.mean.size * found.grid.voxel_ml)))


def check_mask(mask: Path, ct: Path) -> None:
    """Both tools must have made a mask of the CT's shape."""
    found, wanted = read_image(mask)[0].shape, read_image(ct)[0].shape
    if found != wanted:
        sys.exit(f"{mask}: {found}, not {wanted}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, help="Python interpreter of an environment with nnU-Net v2")
    parser.add_argument("--cores", type=int, default=2, help="cores of both tools (default 2)")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "bench" / ".work.inference", help="working folder"
    )
    parts = ("all", "ours", "nnunet", "nnunet-mirrored")
    parser.add_argument("--part", choices=parts, default="all", help="what to measure (default all)")
    options = parser.parse_args()
    work, cores = options.work.resolve(), options.cores
    work.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    os.environ["OMP_NUM_THREADS"] = str(cores)
    patient, architecture = make_patient(work / "patient"), demo_network()
    kept = work / "measured.json"
    rows = {} if options.part == "all" else read_json(kept) if kept.is_file() else {}
    if options.part in ("all", "ours"):
        rows |= measure_ours(patient, work, architecture, cores)
        write_json(kept, rows)
    if options.part in ("all", "nnunet", "nnunet-mirrored"):
        peer = Peer(find_peer(options.peer, work, None).python, patient, work, architecture)
        rows["peer"] = peer.plan | {"version": peer.version()}
        for mirror in {"nnunet": [False], "nnunet-mirrored": [True]}.get(options.part, [False, True]):
            words = "defaults" if mirror else "no mirroring"
            cost, mask = peer.predict(mirror)
            check_mask(mask, patient / "data.nii.gz")
            rows[f"nnU-Net, {words}"] = asdict(cost)
            write_json(kept, rows)
    report(rows, architecture, patient, work, cores)


def measure_ours(patient: Path, work: Path, architecture: Architecture, cores: int) -> dict[str, dict]:
    """Cost of the workflow and of the four steps, with and without mirrored passes, by name."""
    make_package(work, architecture, 0.5, False)
    measured(list(chain(patient, work, False, cores).values()), work / "chain.log")
    threshold = find_threshold(work / "chain" / "prediction.h5")
    rows = {}
    for mirror in (True, False):
        words = "mirrored too" if mirror else "no mirroring"
        package = make_package(work, architecture, threshold, mirror)
        cost, mask = run_workflow(patient, work, package, mirror, cores)
        check_mask(mask, patient / "data.nii.gz")
        rows[f"LungGTV, whole workflow, {words}"] = asdict(cost)
        commands = chain(patient, work, mirror, cores)
        steps = {name: measured([command], work / "chain.log") for name, command in commands.items()}
        check_mask(work / "chain" / "gtv.nii.gz", patient / "data.nii.gz")
        rows |= {f"{name}, {words}": asdict(cost) for name, cost in steps.items()}
        total = Cost(
            sum(c.wall_s for c in steps.values()), sum(c.cpu_s for c in steps.values()),
            max(c.peak_mb for c in steps.values()),
        )  # fmt: skip
        rows[f"LungGTV, its four steps, {words}"] = asdict(total)
    return rows


def report(rows: dict[str, dict], ours: Architecture, patient: Path, work: Path, cores: int) -> None:
    """Print the tables, in whole or as far as rows were measured."""
    parameters = sum(p.numel() for p in build_network(ours).parameters())
    ct, grid = read_image(patient / "data.nii.gz")
    print(
        f"One phantom of {_by(ct.shape)} voxels ({_by(grid.spacing_mm)} mm), compressed; {cores} cores of "
        f"{platform.machine()}.\n"
    )
    box = read_json(work / "chain" / "crop.json")["cache_shape"]
    print(
        f"- LungGTV, torch {version('torch')}: {parameters:,} parameters, patch {_by(ours.patch_shape)}, lung box "
        f"{_by(box)} at {_by(ours.spacing_mm)} mm"
    )
    if "peer" in rows:
        peer = rows["peer"]
        print(
            f"- nnU-Net {peer['version']}: {peer['parameters']:,} parameters, patch {_by(peer['patch'])}, whole scan "
            f"at {_by(peer['spacing'])} mm"
        )
    print("\n| | wall s | CPU s | peak MB |\n|---|---|---|---|")
    for name in sorted(name for name in rows if name.startswith(("LungGTV", "nnU-Net"))):
        cost = Cost(**rows[name])
        print(f"| {name} | {cost.wall_s:.1f} | {cost.cpu_s:.1f} | {cost.peak_mb:.0f} |")
    print(
        "\n| nnU-Net / LungGTV | time, workflow | time, four steps | memory, workflow | memory, four steps |"
    )
    print("|---|---|---|---|---|")
    for theirs, mine in (
        ("defaults", "mirrored too"),
        ("no mirroring", "mirrored too"),
        ("no mirroring", "no mirroring"),
    ):
        names = [f"nnU-Net, {theirs}", f"LungGTV, whole workflow, {mine}", f"LungGTV, its four steps, {mine}"]
        if all(name in rows for name in names):
            other, flow, bare = (Cost(**rows[name]) for name in names)
            print(
                f"| {theirs} / {mine} | {other.wall_s / flow.wall_s:.1f} | {other.wall_s / bare.wall_s:.1f} "
                f"| {other.peak_mb / flow.peak_mb:.1f} | {other.peak_mb / bare.peak_mb:.1f} |"
            )
    print("\nThe four steps:\n\n| | wall s | CPU s | peak MB |\n|---|---|---|---|")
    for words in ("mirrored too", "no mirroring"):
        for step in STEPS:
            if f"{step}, {words}" in rows:
                cost = Cost(**rows[f"{step}, {words}"])
                print(f"| {step}, {words} | {cost.wall_s:.2f} | {cost.cpu_s:.2f} | {cost.peak_mb:.0f} |")


def _by(values: object) -> str:
    return " x ".join(f"{float(value):g}" for value in values)


if __name__ == "__main__":
    main()
