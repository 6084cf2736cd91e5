"""What the scanner adds: where the slices lie, noise, and the ring outside its field of view."""

import numpy as np
from lunggtv.geometry import Grid
from scipy import ndimage

from lungphantom import tissue_hu
from lungphantom.canvas import Canvas, stream
from lungphantom.chest import Chest
from lungphantom.plan import OBLIQUE, PhantomPlan

LOWEST_HU, HIGHEST_HU = -1024, 3071
# Noise of a sharp kernel is strong and has no grain; that of a soft one is smooth over this many pixels.
_SHARP_NOISE_HU = 70.0
_GRAIN_PIXELS = 0.75
_OBLIQUE_DEGREES = 10.0


def empty_canvas(chest: Chest, plan: PhantomPlan) -> Canvas:
    """A canvas of air where the plan's slices lie."""
    rng = stream(plan.seed, "position")
    z_step, y_step, x_step = plan.spacing_mm
    slices, rows, columns = plan.shape
    first_mm = -plan.below_mm
    if "no_apices" in plan.variants:
        first_mm = 0.72 * chest.height - (slices - 1) * z_step
    if "no_bases" in plan.variants:
        first_mm = 0.38 * chest.height
    if "lungless" in plan.variants:
        first_mm = -30.0 - (slices - 1) * z_step
    x_shift, y_shift = rng.uniform(-6.0, 6.0), rng.uniform(6.0, 14.0)
    return Canvas(
        np.full(plan.shape, tissue_hu.AIR, np.float32),
        (first_mm + z_step * np.arange(slices)).astype("f4"),
        (y_shift + y_step * (np.arange(rows) - (rows - 1) / 2.0)).astype("f4"),
        (x_shift + x_step * (np.arange(columns) - (columns - 1) / 2.0)).astype("f4"),
        plan.spacing_mm,
    )


def scan_grid(plan: PhantomPlan) -> Grid:
    """The grid in the scanner's space; an oblique one is turned by ten degrees about the x axis."""
    rng = stream(plan.seed, "couch")
    angle = np.deg2rad(_OBLIQUE_DEGREES) if plan.orientation == OBLIQUE else 0.0
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    half_x, half_y = (
        (n - 1) / 2.0 * step for n, step in zip(plan.shape[:0:-1], plan.spacing_mm[:0:-1], strict=True)
    )
    origin = (
        -half_x,
        -half_y - 150.0 + round(rng.uniform(-20.0, 20.0), 1),
        round(rng.uniform(-900.0, -200.0), 1),
    )
    return Grid(plan.shape, plan.spacing_mm, origin, (1.0, 0.0, 0.0, 0.0, cos, -sin, 0.0, sin, cos))


def scanned(canvas: Canvas, plan: PhantomPlan) -> np.ndarray:
    """The int16 CT in HU: noise, the scanner's range, and the padded ring."""
    rng = stream(plan.seed, "noise")
    sharp = "sharp_kernel" in plan.variants
    # Smoothing in two dimensions leaves 1 / (2 sigma sqrt(pi)) of the deviation of white noise.
    gain = np.float32(_SHARP_NOISE_HU if sharp else plan.noise_hu * 2.0 * _GRAIN_PIXELS * np.pi**0.5)
    y, x = _centred(canvas.hu.shape[1]), _centred(canvas.hu.shape[2])
    outside = y[:, None] ** 2 + x[None, :] ** 2 > 1.0
    ct = np.empty(canvas.hu.shape, np.int16)
    for number in range(len(ct)):
        noise = rng.standard_normal(ct.shape[1:], dtype=np.float32)
        if not sharp:
            noise = ndimage.gaussian_filter(noise, _GRAIN_PIXELS, truncate=3.0)
        noisy = canvas.hu[number] + gain * noise
        ct[number] = np.clip(np.rint(noisy), LOWEST_HU, HIGHEST_HU)
        ct[number][outside] = plan.padding_hu
    return ct


def _centred(count: int) -> np.ndarray:
    return (np.arange(count) - (count - 1) / 2.0) / (count / 2.0)
