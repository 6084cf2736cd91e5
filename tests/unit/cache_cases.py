"""Small whole chests for the tests of the cache stage: demo phantoms, planted failures, volumes on disk."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from lunggtv.cache.cache_settings import CacheSettings, Margins
from lunggtv.cache.lung_box import Crop, choose_crop
from lunggtv.cache.lungs import Lungs, find_lungs
from lunggtv.cache.shrinking import shrink, shrink_factors, shrunken_grid
from lunggtv.geometry import Grid, Orientation
from lunggtv.settings import settings_from
from lunggtv.volume import Volume, write_volume
from lungphantom.body import Phantom, paint_phantom
from lungphantom.plan import DEMO, PhantomPlan, PhantomSettings, plan_cohort

from tests.unit.phantom_plans import with_spacing

NO_MARGIN = Margins(0, 0, 0, 0, 0, 0)
SECTION = {
    "spacing_mm": [6.0, 3.0, 3.0],
    "keep_native_within": 0.1,
    "lungs": None,
    "margin_mm": {"cranial": 50, "caudal": 20, "anterior": 20, "posterior": 20, "left": 20, "right": 20},
}
PLAIN = Orientation((0, 1, 2), (False, False, False))


def settings(**changes) -> CacheSettings:
    return settings_from(CacheSettings, {**SECTION, **changes})


@cache
def demo_plans() -> tuple[PhantomPlan, ...]:
    return plan_cohort(PhantomSettings(12, 0, 0, DEMO, 0))


@cache
def demo(number: int, *variants: str, spacing_mm: tuple[float, float, float] | None = None) -> Phantom:
    """Demo patient ``number`` (from 1) with planted variants; cached, so do not write into its arrays."""
    plan = replace(demo_plans()[number - 1], variants=variants)
    return paint_phantom(plan if spacing_mm is None else with_spacing(plan, spacing_mm))


def search(ct: np.ndarray, grid: Grid, margins: Margins = NO_MARGIN) -> tuple[Lungs, Crop]:
    """Lungs and box of a CT, as the stage finds them."""
    factors = shrink_factors(grid)
    lungs = find_lungs(shrink(ct, factors), shrunken_grid(grid, factors).spacing_mm)
    return lungs, choose_crop(lungs, factors, grid.shape, grid.spacing_mm, margins)


def beyond_mm(mask: np.ndarray, crop: Crop, grid: Grid) -> list[float]:
    """How far a mask reaches out of a box, in mm: low and high end of z, y and x; negative is inside."""
    out = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        low, high = crop.start[axis], crop.start[axis] + crop.shape[axis]
        step = grid.spacing_mm[axis]
        out += [float(low - hit[0]) * step, float(hit[-1] + 1 - high) * step]
    return out


def ingested(path: Path, phantom: Phantom, patient: str = "7", **changes) -> Volume:
    """Write a phantom as ingest would, stored with plain axes; ``changes`` replace fields of the volume."""
    metadata = {
        "original": phantom.grid.to_dict(),
        "orientation": PLAIN.to_dict(),
        "ct_digest": "digest of the CT",
        "slice_digests": None,
    }
    fields = {
        "patient": patient,
        "ct": np.maximum(phantom.ct, -1024),
        "grid": phantom.grid,
        "label": phantom.label,
        "metadata": metadata,
    }
    volume = Volume(**(fields | changes))
    write_volume(path, "ingest", volume)
    return volume
