"""What a predict job costs before it predicts: process start and model loading against the work itself.

    python bench/inference_jobs.py                      # CPU, the demo's network, a demo-size and a full-size phantom
    python bench/inference_jobs.py --device cuda        # GPU, the network of config.yaml, five models, full size

Each row is one process that predicts the same cached phantom three times, as a batch job would: what it spends until
the package is imported and the device is there, on loading the models, on the first patient and on one more. A job a
patient pays all of it but the last column; a batch pays the last column for every further patient. Models have random
weights; a prediction costs the same.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

START = time.perf_counter()
ROOT = Path(__file__).parents[1]
REPEATS = 3


def prepare(work: Path, size: str, network: str, models: int) -> dict:
    """Caches of a phantom and random models on disk, made once; the paths and a word about the patient."""
    import yaml
    from full_size import full_size
    from inference import save_untrained
    from lunggtv.cache.cache_patient import cache_patient
    from lunggtv.cache.cache_settings import CacheSettings
    from lunggtv.ingest.ingest_patient import ingest_patient
    from lunggtv.ingest.ingest_settings import IngestSettings
    from lunggtv.model.architecture import plan_architecture
    from lunggtv.patient_files import PatientFiles
    from lunggtv.settings import settings_from
    from lunggtv.volume import read_volume
    from lungphantom.make_phantom import make_phantom
    from lungphantom.plan import PhantomSettings

    config = full_size()
    small = yaml.safe_load((ROOT / "profiles" / "demo" / "small.yaml").read_text(encoding="utf-8"))
    demo_size = {"spacing_mm": small["cache"]["spacing_mm"], "patch_shape": small["train"]["patch_shape"]}
    planned = {"spacing_mm": config["cache"]["spacing_mm"], "patch_shape": config["train"]["patch_shape"]}
    voxels = demo_size if size == "demo" else planned
    chosen = (small if network == "demo" else config)["train"]["network"]
    place = work / size
    ct = place / "raw" / "labelled" / "1" / "data.nii.gz"
    if not ct.is_file():
        make_phantom(PhantomSettings(1, 0, 0, size, 1), place / "raw", 1)
        files = PatientFiles("1", False, ct.parent, (ct,), ct)
        ingest_patient(
            files,
            IngestSettings.from_config(config["ingest"]),
            volume_path=place / "ingest.h5",
            verdict_path=place / "v.json",
        )
        settings = settings_from(CacheSettings, config["cache"] | {"spacing_mm": voxels["spacing_mm"]})
        cache_patient(
            place / "ingest.h5", settings, cache_path=place / "cache.h5", crop_json_path=place / "c.json"
        )
    architecture = plan_architecture(
        "residual_encoder", tuple(voxels["spacing_mm"]), tuple(voxels["patch_shape"]), chosen["width"],
        chosen["max_width"], chosen["blocks"],
    )  # fmt: skip
    paths = [
        list(map(str, save_untrained(place / network / f"fold{fold}", architecture, fold)))
        for fold in range(models)
    ]
    shape = " x ".join(map(str, read_volume(place / "cache.h5", "cache").ct.shape))
    return {"cache": str(place / "cache.h5"), "models": paths, "patient": f"{size}, cache {shape}"}


def one_job(job: dict, device: str, threads: int, mirror: bool) -> dict[str, float]:
    """Seconds of each part of a job, in this process; the interpreter's own start is added by the caller."""
    import torch
    from lunggtv.infer.predict_patient import predict_patient
    from lunggtv.model.weights import load_model

    if device == "cuda":
        torch.zeros(1, device="cuda")
    start_s = time.perf_counter() - START
    began = time.perf_counter()
    for weights, card in job["models"]:
        load_model(weights, card, device)
    load_s = time.perf_counter() - began
    runs = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        output = Path(job["cache"]).with_name(f"prediction-{device}.h5")
        predict_patient(job["cache"], job["models"], mirror, output, device, threads)
        runs.append(time.perf_counter() - began)
    return {"start": start_s, "load": load_s, "first": runs[0], "more": statistics.median(runs[1:])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / ".work.jobs", help="working folder")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        job = json.loads(options.job)
        print(json.dumps(one_job(job, options.device, options.threads, job["mirror"])))
        return
    from importlib.metadata import version

    cases = (
        [("full", "default", 5)] if options.device == "cuda" else [("demo", "demo", 1), ("full", "demo", 1)]
    )
    name = f"{options.threads} thread of {platform.machine()}"
    if options.device == "cuda":
        import torch

        name = torch.cuda.get_device_name()
    print(f"{name}, torch {version('torch')}; mirrored passes included.\n")
    print("| phantom | models | process start s | loading models s | first patient s | one more patient s |")
    print("|---|---|---|---|---|---|")
    for size, network, models in cases:
        job = prepare(options.work.resolve(), size, network, models) | {"mirror": True}
        command = [sys.executable, __file__, "--device", options.device, "--threads", str(options.threads)]
        began = time.perf_counter()
        done = subprocess.run(
            [*command, "--job", json.dumps(job)], capture_output=True, text=True, check=False,
            env={**os.environ, "OMP_NUM_THREADS": str(options.threads)},
        )  # fmt: skip
        whole_s = time.perf_counter() - began
        if done.returncode != 0:
            sys.exit(done.stderr)
        found = json.loads(done.stdout)
        # What the parts do not hold is the interpreter's start and end.
        parts_s = found["load"] + found["first"] + (REPEATS - 1) * found["more"]
        start_s = max(whole_s - parts_s, found["start"])
        print(
            f"| {job['patient']} | {models}, {network} | {start_s:.2f} | {found['load']:.2f} | {found['first']:.2f} "
            f"| {found['more']:.2f} |"
        )


if __name__ == "__main__":
    main()
