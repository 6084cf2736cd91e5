"""One synthetic patient from its plan."""

from dataclasses import dataclass

import numpy as np
from lunggtv.geometry import Grid

from lungphantom.abdomen import paint_abdomen
from lungphantom.chest import measure
from lungphantom.lung_fields import paint_lungs
from lungphantom.mediastinum import heart_mask, paint_airways, paint_mediastinum
from lungphantom.plan import PhantomPlan
from lungphantom.scanner import empty_canvas, scan_grid, scanned
from lungphantom.skeleton import paint_skeleton
from lungphantom.torso import paint_torso
from lungphantom.tumour import paint_tumour
from lungphantom.vessels import paint_vessels


@dataclass(frozen=True)
class Phantom:
    """A synthetic patient in LPS axis order: arrays (z, y, x) on ``grid``.

    ``ct`` is int16 HU with the padded ring; the masks are uint8: ``label`` the GTV with all nodes, ``lungs``
    the true lung tissue with the vessels and tumours in it, ``node`` the supraclavicular part of the GTV,
    and ``heart``.
    """

    ct: np.ndarray
    label: np.ndarray
    lungs: np.ndarray
    node: np.ndarray
    heart: np.ndarray
    grid: Grid


def paint_phantom(plan: PhantomPlan) -> Phantom:
    """The patient of a plan, always the same one; before the storage orientation is applied."""
    chest = measure(plan)
    canvas = empty_canvas(chest, plan)
    paint_torso(canvas, chest, plan)
    paint_abdomen(canvas, chest, plan)
    paint_skeleton(canvas, chest, plan)
    paint_mediastinum(canvas, chest, plan)
    lungs = paint_lungs(canvas, chest, plan)
    paint_vessels(canvas, chest, plan)
    paint_airways(canvas, chest, plan)
    label, node = paint_tumour(canvas, chest, plan)
    heart = heart_mask(canvas, chest)
    return Phantom(scanned(canvas, plan), label, lungs, node, heart, scan_grid(plan))
