"""Time and memory of all metrics of one full-size patient: ours, MONAI, DeepMind's surface-distance.

    OMP_NUM_THREADS=1 python bench/evaluation.py > bench/results/evaluation.md

Prints a Markdown table. Every tool runs in a process of its own, on one thread, on the same two masks
(95 x 512 x 512 voxels of 5 x 1.17 x 1.17 mm, a tumour of 46 ml), after they are in memory. The time is CPU
time (on one thread the wall-clock time of a free core), the best of five. The peers compute what they define
of our metrics: MONAI Dice, HD95, HD, mean surface distance and surface Dice at four tolerances (with
subvoxels, the definition that equals ours); DeepMind all of these but Dice in one go. Ours computes
everything in docs/metrics.md.
"""

import ctypes
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

SHAPE = (95, 512, 512)
SPACING_MM = (5.0, 1.17, 1.17)
TOLERANCES_MM = (1.0, 2.0, 3.0, 5.0)
REPEATS = 5
CASES = {
    "good draft": "ball of 46 ml, draft smaller and shifted",
    "far false positive": "the same, and 1 ml drawn 290 mm away",
    "large false positive": "the same, and a lung of 1.1 litres drawn too",
}
TOOLS = ("LungGTV", "MONAI", "surface-distance")


def ball(centre: tuple, radius_mm: float) -> np.ndarray:
    axes = np.ogrid[tuple(slice(0, size) for size in SHAPE)]
    parts = [((a - c) * s) ** 2 for a, c, s in zip(axes, centre, SPACING_MM, strict=True)]
    return (sum(parts) <= radius_mm**2).astype(np.uint8)


def masks(case: str) -> tuple[np.ndarray, np.ndarray]:
    label = ball((50, 250, 300), 22.2)
    draft = ball((51, 252, 299), 21.0)
    if case == "far false positive":
        draft |= ball((20, 120, 130), 6.2)
    if case == "large false positive":
        draft |= ball((50, 250, 150), 64.0)
    return label, draft


def ours(label: np.ndarray, draft: np.ndarray) -> Callable[[], dict]:
    from lunggtv.evaluate.evaluate_settings import EvaluateSettings
    from lunggtv.evaluate.score import score_masks

    settings = EvaluateSettings(TOLERANCES_MM, 0.1)
    return lambda: score_masks(label, draft, SPACING_MM, settings)


def monai(label: np.ndarray, draft: np.ndarray) -> Callable[[], dict]:
    import torch
    from monai.metrics import DiceMetric, HausdorffDistanceMetric, SurfaceDiceMetric, SurfaceDistanceMetric

    torch.set_num_threads(1)
    pair = [torch.from_numpy(mask)[None, None] for mask in (draft, label)]
    spacing = list(SPACING_MM)

    def score() -> dict:
        found = {"dice": DiceMetric()(*pair).item()}
        found["hd95_mm"] = HausdorffDistanceMetric(True, percentile=95)(*pair, spacing=spacing).item()
        found["hd_mm"] = HausdorffDistanceMetric(True)(*pair, spacing=spacing).item()
        found["assd_mm"] = SurfaceDistanceMetric(True, symmetric=True)(*pair, spacing=spacing).item()
        for mm in TOLERANCES_MM:
            metric = SurfaceDiceMetric([mm], include_background=True, use_subvoxels=True)
            found[f"surface_dice_{mm:g}mm"] = metric(*pair, spacing=spacing).item()
        return found

    return score


def deepmind(label: np.ndarray, draft: np.ndarray) -> Callable[[], dict]:
    from surface_distance import metrics

    def score() -> dict:
        distances = metrics.compute_surface_distances(label > 0, draft > 0, SPACING_MM)
        found = {
            "hd95_mm": metrics.compute_robust_hausdorff(distances, 95),
            "hd_mm": metrics.compute_robust_hausdorff(distances, 100),
        }
        metrics.compute_average_surface_distance(distances)
        for mm in TOLERANCES_MM:
            key = f"surface_dice_{mm:g}mm"
            found[key] = metrics.compute_surface_dice_at_tolerance(distances, mm)
        return {key: float(value) for key, value in found.items()}

    return score


def measure(tool: str, case: str) -> dict:
    """Best CPU time of five, peak memory beyond the masks, and the metrics; in this process."""
    warnings.simplefilter("ignore")
    label, draft = masks(case)
    score = {"LungGTV": ours, "MONAI": monai, "surface-distance": deepmind}[tool](label, draft)
    # Memory freed so far goes back to the system, and the process's high-water mark (VmHWM) back to what it
    # holds now (proc(5)).
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before_kib = memory_kib("VmRSS")
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        found = score()
        times.append(time.process_time() - start)
    peak_mib = (memory_kib("VmHWM") - before_kib) / 1024
    return {"seconds": min(times), "peak_mib": peak_mib, "metrics": found}


def memory_kib(name: str) -> int:
    """A line of /proc/self/status, in KiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> None:
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], sys.argv[2])))
        return
    results = {}
    for case in CASES:
        for tool in TOOLS:
            done = subprocess.run(
                [sys.executable, __file__, tool, case], check=True, capture_output=True, text=True
            )
            results[case, tool] = json.loads(done.stdout)
    print("# All metrics of one full-size patient\n")
    print("`OMP_NUM_THREADS=1 python bench/evaluation.py > bench/results/evaluation.md`\n")
    print(f"Machine: {processor()}, {os.cpu_count()} cores, of which one is used.")
    libraries = ("numpy", "scipy", "monai", "torch", "surface-distance")
    versions = [f"{name} {version(name)}" for name in libraries]
    print(f"Python {platform.python_version()}, {', '.join(versions)}.")
    print(
        f"Masks of 95 x 512 x 512 voxels in memory; best of {REPEATS}; memory: peak of the process above the"
    )
    print(
        "level with masks and libraries loaded. What each tool computes is told at the top of the script.\n"
    )
    print("| case | tool | CPU seconds | times ours | peak memory, MiB | HD95, mm | surface Dice at 2 mm |")
    print("|---|---|---|---|---|---|---|")
    for (case, tool), result in results.items():
        ratio = result["seconds"] / results[case, "LungGTV"]["seconds"]
        metrics = result["metrics"]
        print(
            f"| {case} | {tool} | {result['seconds']:.4f} | {ratio:.1f} | {result['peak_mib']:.0f} | "
            f"{metrics['hd95_mm']:.3f} | {metrics['surface_dice_2mm']:.6f} |"
        )
    print("\nCases:\n")
    print("\n".join(f"- {name}: {meaning}" for name, meaning in CASES.items()) + "\n")
    print(
        "HD95 is not MONAI's: MONAI counts edge voxels, ours and DeepMind's weigh surface elements by area\n"
        "(docs/metrics.md)."
    )


if __name__ == "__main__":
    main()
