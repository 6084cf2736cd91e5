"""What the crop keeps and what resampling costs, over full-size phantoms and, if given, real ingest volumes.

    OMP_NUM_THREADS=1 python bench/crop.py --phantoms 50 --planted > bench/results/crop.md
    OMP_NUM_THREADS=1 python bench/crop.py --phantoms 0 --ingest results/ingest/*/volume.h5

Prints Markdown: lungs and GTV outside the box; share of the GTV and of the nodes above the lungs that is kept
against the share of the volume, for several margins; the Dice of the label's way to the cache and back; how far linear
interpolation lies from cubic, in HU; and what becomes of each planted failure at full size.
"""

import argparse
import statistics
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from full_size import full_size
from lunggtv.cache.cache_settings import CacheSettings, Margins
from lunggtv.cache.gtv_losses import measure_losses
from lunggtv.cache.lung_box import Crop, choose_crop
from lunggtv.cache.lungs import find_lungs
from lunggtv.cache.shrinking import shrink, shrink_factors, shrunken_grid
from lunggtv.geometry import Grid
from lunggtv.resampling import resample_ct, resample_mask, target_grid
from lunggtv.settings import settings_from
from lunggtv.volume import read_volume
from lungphantom.body import paint_phantom
from lungphantom.plan import FULL, VARIANTS, PhantomPlan, PhantomSettings, plan_cohort

ROOT = Path(__file__).parents[1]
CRANIAL_MM = (0, 10, 20, 30, 40, 50, 60)
OTHERS_MM = (0, 10, 15, 20, 30)
CUBIC_CASES = 4
BODY_ABOVE_HU = -500


@dataclass(frozen=True)
class Case:
    """A scan, its GTV, and what only a phantom knows: true lungs, and the node above them."""

    name: str
    ct: np.ndarray
    grid: Grid
    label: np.ndarray
    lungs: np.ndarray | None
    node: np.ndarray | None


@dataclass(frozen=True)
class Measured:
    """Numbers of one case; ``kept`` and ``share`` by margins."""

    name: str
    spacing_mm: tuple[float, ...]
    crop: Crop
    lungs_lost_ml: float | None
    gtv_ml: float
    gtv_lost_ml: float
    node_ml: float
    node_lost_ml: float
    node_kept: dict[Margins, float]
    gtv_kept: dict[Margins, float]
    share: dict[Margins, float]
    dice_exact: float | None
    dice_kept: float | None
    hu: tuple[float, float, float] | None


def phantom(plan: PhantomPlan) -> Case:
    made = paint_phantom(plan)
    return Case(plan.patient, made.ct, made.grid, made.label, made.lungs, made.node)


def phantoms(count: int) -> Iterator[Case]:
    yield from map(phantom, plan_cohort(PhantomSettings(count, 0, 0, FULL, 0)))


def planted() -> Iterator[Case]:
    """The second full-size phantom, once with each planted peculiarity, named by it."""
    plan = plan_cohort(PhantomSettings(2, 0, 0, FULL, 0))[1]
    for variant in VARIANTS:
        yield replace(phantom(replace(plan, variants=(variant,))), name=variant)


def real(paths: Iterable[Path]) -> Iterator[Case]:
    for path in paths:
        scan = read_volume(path, "ingest")
        label = np.zeros_like(scan.ct, dtype=np.uint8) if scan.label is None else scan.label
        yield Case(scan.patient, scan.ct, scan.grid, label, None, None)


def all_margins(own: Margins) -> dict[str, list[Margins]]:
    """The margins compared: the cranial one with the others as configured, and the other way round."""
    others = ("caudal", "anterior", "posterior", "left", "right")
    return {
        "cranial": [replace(own, cranial=float(mm)) for mm in CRANIAL_MM],
        "others": [replace(own, **dict.fromkeys(others, float(mm))) for mm in OTHERS_MM],
    }


def outside_ml(mask: np.ndarray, crop: Crop, grid: Grid) -> float:
    inside = tuple(slice(a, a + n) for a, n in zip(crop.start, crop.shape, strict=True))
    return float(np.count_nonzero(mask) - np.count_nonzero(mask[inside])) * grid.voxel_ml


def measure(case: Case, own: CacheSettings, cubic: bool) -> Measured:
    grid = case.grid
    factors = shrink_factors(grid)
    lungs = find_lungs(shrink(case.ct, factors), shrunken_grid(grid, factors).spacing_mm)
    crops = {
        margins: choose_crop(lungs, factors, grid.shape, grid.spacing_mm, margins)
        for margins in {
            own.margin_mm,
            *(m for several in all_margins(own.margin_mm).values() for m in several),
        }
    }
    crop = crops[own.margin_mm]
    node = case.node if case.node is not None and case.node.any() else None
    node_ml = 0.0 if node is None else float(node.sum()) * grid.voxel_ml
    gtv_ml = float(case.label.sum()) * grid.voxel_ml

    def kept(mask: np.ndarray | None, whole_ml: float) -> dict[Margins, float]:
        if mask is None or whole_ml == 0.0:
            return {}
        return {m: 1.0 - outside_ml(mask, c, grid) / whole_ml for m, c in crops.items()}

    box = grid.cropped(crop.start, crop.shape)
    dices = []
    for within in (0.0, own.keep_native_within):
        target = target_grid(box, own.spacing_mm, within)
        losses = measure_losses(case.label, grid, crop, resample_mask(case.label, grid, target), target)
        dices.append(losses.round_trip_dice)
    return Measured(
        name=case.name,
        spacing_mm=grid.spacing_mm,
        crop=crop,
        lungs_lost_ml=None if case.lungs is None else outside_ml(case.lungs, crop, grid),
        gtv_ml=gtv_ml,
        gtv_lost_ml=outside_ml(case.label, crop, grid),
        node_ml=node_ml,
        node_lost_ml=0.0 if node is None else outside_ml(node, crop, grid),
        node_kept=kept(node, node_ml),
        gtv_kept=kept(case.label, gtv_ml),
        share={m: float(np.prod(c.shape) / np.prod(grid.shape)) for m, c in crops.items()},
        dice_exact=dices[0],
        dice_kept=dices[1],
        hu=linear_and_cubic(case, box, own) if cubic else None,
    )


def linear_and_cubic(case: Case, box: Grid, own: CacheSettings) -> tuple[float, float, float]:
    """Root mean square difference in the body, its 95th percentile, and the noise of the scan, all in HU."""
    target = target_grid(box, own.spacing_mm, 0.0)
    linear = resample_ct(case.ct, case.grid, target).astype(np.float32)
    start = case.grid.index_zyx(target.origin_mm)
    steps = np.divide(target.spacing_mm, case.grid.spacing_mm)
    cubic = ndimage.affine_transform(
        case.ct.astype(np.float32), steps, start, target.shape, order=3, mode="nearest"
    )
    body = cubic > BODY_ABOVE_HU
    gap = np.abs(cubic - linear)[body]
    # Neighbours along x in soft tissue: their difference is the noise times the square root of two.
    soft = (case.ct[:, :, 1:] > 0) & (case.ct[:, :, 1:] < 100)
    noise = np.median(np.abs(np.diff(case.ct.astype(np.int32), axis=2)[soft])) / 0.6745 / np.sqrt(2.0)
    return float(np.sqrt(np.mean(gap**2))), float(np.percentile(gap, 95)), float(noise)


def print_boxes(cases: list[Measured]) -> None:
    fallbacks = [case.name for case in cases if case.crop.fallback_reason is not None]
    lost = [case for case in cases if case.gtv_lost_ml > 0]
    lungs = [case.lungs_lost_ml for case in cases if case.lungs_lost_ml is not None]
    print(f"\n### Boxes: {len(cases)} scans\n")
    print("| | |\n|---|---|")
    print(f"| fallbacks | {len(fallbacks)} {' '.join(fallbacks)} |")
    if lungs:
        print(
            f"| scans with lung outside the box | {sum(ml > 0 for ml in lungs)} (most: {max(lungs):.2f} ml) |"
        )
    print(f"| scans with GTV outside the box | {len(lost)} |")
    for case in lost:
        print(f"| {case.name} | {case.gtv_lost_ml:.3f} of {case.gtv_ml:.3f} ml |")
    nodes = [case for case in cases if case.node_ml > 0]
    if nodes:
        words = ", ".join(f"{case.name}: {case.node_lost_ml:.3f} of {case.node_ml:.3f}" for case in nodes)
        print(f"| nodes above the lungs, ml outside the box | {words} |")


def print_margins(cases: list[Measured], own: Margins) -> None:
    for name, several in all_margins(own).items():
        print(f"\n### Margin: {name} (the rest as configured)\n")
        print(
            "| mm | volume kept, median | GTV kept, mean | least | GTV kept whole | nodes above kept, mean "
            "| nodes kept whole |\n|---|---|---|---|---|---|---|"
        )
        for margins in several:
            mm = margins.cranial if name == "cranial" else margins.caudal
            share = statistics.median(case.share[margins] for case in cases)
            gtv = [case.gtv_kept[margins] for case in cases if case.gtv_kept]
            nodes = [case.node_kept[margins] for case in cases if case.node_kept]
            least = f"{100 * min(gtv):.1f} %" if gtv else "-"
            mean_gtv, whole_gtv = mean_and_whole(gtv)
            mean_node, whole_node = mean_and_whole(nodes)
            print(
                f"| {mm:.0f} | {100 * share:.1f} % | {mean_gtv} | {least} | {whole_gtv} | {mean_node} | {whole_node} |"
            )


def mean_and_whole(kept: list[float]) -> tuple[str, str]:
    """Mean share, and how many were kept to the last voxel."""
    if not kept:
        return "-", "-"
    return f"{100 * statistics.mean(kept):.1f} %", f"{sum(share == 1.0 for share in kept)} of {len(kept)}"


def print_round_trip(cases: list[Measured], within: float) -> None:
    print("\n### Label to the cache and back (Dice)\n")
    print("| axes kept within | scans | median | mean | least |\n|---|---|---|---|---|")
    for share, name in ((0.0, "dice_exact"), (within, "dice_kept")):
        values = [getattr(case, name) for case in cases if getattr(case, name) is not None]
        if values:
            least = min(values)
            print(
                f"| {share:g} | {len(values)} | {statistics.median(values):.4f} | "
                f"{statistics.mean(values):.4f} | {least:.4f} |"
            )
    thin = [case for case in cases if case.spacing_mm[0] < 4.5 and case.dice_kept is not None]
    words = ", ".join(f"{case.name} ({case.spacing_mm[0]:g} mm): {case.dice_kept:.3f}" for case in thin)
    print(f"\nScans with thinner slices: {words or 'none'}.")


def print_hu(cases: list[Measured]) -> None:
    print("\n### Linear against cubic interpolation, in the body\n")
    print("| scan | spacing mm | RMS HU | 95th percentile HU | noise of the scan HU |\n|---|---|---|---|---|")
    for case in cases:
        if case.hu is not None:
            rms, high, noise = case.hu
            spacing = " x ".join(f"{mm:.2f}" for mm in case.spacing_mm)
            print(f"| {case.name} | {spacing} | {rms:.1f} | {high:.1f} | {noise:.1f} |")


def print_planted(cases: list[Measured]) -> None:
    print("\n### Planted peculiarities\n")
    print("| planted | box | lung outside, ml | GTV outside, ml | flags |\n|---|---|---|---|---|")
    for case in cases:
        crop = case.crop
        box = "body" if crop.fallback_reason else "lungs, symmetric" if crop.symmetric else "lungs"
        flags = "; ".join([crop.fallback_reason or "", *(w.code for w in crop.warnings)]).strip("; ")
        print(
            f"| {case.name} | {box} | {case.lungs_lost_ml:.1f} | {case.gtv_lost_ml:.3f} | {flags or 'none'} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phantoms", type=int, default=6, help="full-size phantoms (default 6)")
    parser.add_argument("--ingest", nargs="+", type=Path, default=[], help="ingest volumes of real scans too")
    parser.add_argument("--planted", action="store_true", help="planted peculiarities too")
    options = parser.parse_args()
    section = full_size()["cache"]
    own = settings_from(CacheSettings, section)
    cases = []
    for number, case in enumerate(chain(real(options.ingest), phantoms(options.phantoms))):
        cases.append(measure(case, own, cubic=number < CUBIC_CASES))
        print(f"{case.name} measured", file=sys.stderr, flush=True)
    print_boxes(cases)
    print_margins(cases, own.margin_mm)
    print_round_trip(cases, own.keep_native_within)
    print_hu(cases)
    if options.planted:
        print_planted([measure(case, own, cubic=False) for case in planted()])


if __name__ == "__main__":
    main()
