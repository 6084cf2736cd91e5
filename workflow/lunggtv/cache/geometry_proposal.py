"""The geometry that a cohort proposes: voxel spacing of the caches, and the patch that networks learn on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from lunggtv.errors import CohortError
from lunggtv.geometry import Shape, Triple, three_of
from lunggtv.model.architecture import Architecture, plan_architecture
from lunggtv.spacing import numbers_of, propose_spacing, proposing

# Median lung box of StructSeg 2019, task 4: 60 x 210 x 246 voxels of 5 x 1.17 x 1.17 mm.
LUNG_BOX_MM: Triple = (300.0, 246.0, 288.0)
# Most voxels of a patch: with the default network and batch they take about 7 GB in half precision. A fixed figure, as
# the schema says: the plan of a cohort is the same on every machine.
PATCH_VOXELS = 48 * 160 * 192
SMALLEST_EDGE = 8  # of a patch, in voxels; as the schema has it


@dataclass(frozen=True)
class Proposal:
    """Spacing and patch for a cohort, and what they were made from; (z, y, x)."""

    spacing_mm: tuple[float | None, float | None, float | None]
    patch_shape: Shape
    median_extent_mm: Triple
    patients: int


def propose_geometry(
    rows: Sequence[Mapping[str, str]], given_mm: Sequence[float | None] | None = None
) -> Proposal:
    """The proposal of a cohort.

    Args:
        rows: of verdicts.tsv.
        given_mm: a spacing of the user's own to plan the patch for; None for an axis that keeps the patients' own.

    Raises:
        CohortError: no scan is accepted that could propose anything.
    """
    scans = [(numbers_of(row["spacing_mm"]), numbers_of(row["shape"])) for row in proposing(rows)]
    if not scans:
        raise CohortError(
            "Nothing to plan from: cache.spacing_mm or train.patch_shape is auto, and no patient is accepted whose "
            "scan could propose numbers (a labelled one, where there are labels). results/ingest/verdicts.tsv says "
            "why; mend their files, or set numbers in config.yaml."
        )
    own = propose_spacing([spacing_mm for spacing_mm, _ in scans])
    extents_mm = [[n * step for n, step in zip(shape, steps, strict=True)] for steps, shape in scans]
    z_mm, y_mm, x_mm = (round(median_low(axis), 2) for axis in zip(*extents_mm, strict=True))
    wanted = given_mm or own
    spacing_mm = three_of(step or median for step, median in zip(wanted, own, strict=True))
    z, y, x = wanted
    return Proposal(
        spacing_mm=(z, y, x),
        patch_shape=propose_patch(spacing_mm, (z_mm, y_mm, x_mm)),
        median_extent_mm=(z_mm, y_mm, x_mm),
        patients=len(scans),
    )


def propose_patch(spacing_mm: Triple, extent_mm: Triple) -> Shape:
    """Patch (z, y, x) in voxels for a spacing and the median scan's extent in mm.

    After nnU-Net's planner (Isensee et al. 2021, supplement): the whole box, rounded up to what the network can
    divide; while it has more than PATCH_VOXELS, the axis whose patch is the largest share of the box loses what the
    network divides it by. The box is a typical lung box, no larger than the scan.
    """
    box = [
        max(SMALLEST_EDGE, round(min(typical, scan) / step))
        for typical, scan, step in zip(LUNG_BOX_MM, extent_mm, spacing_mm, strict=True)
    ]
    network = _network(spacing_mm, three_of(box))
    while math.prod(network.patch_shape) > PATCH_VOXELS:
        patch, divisor = list(network.patch_shape), network.divisor
        shrinkable = [axis for axis in range(3) if patch[axis] - divisor[axis] >= SMALLEST_EDGE]
        largest = max(shrinkable, key=lambda axis: patch[axis] / box[axis])
        patch[largest] -= divisor[largest]
        network = _network(spacing_mm, three_of(patch))
    return network.patch_shape


def differing(plan: Mapping[str, Any], today: Proposal, keys: Sequence[str]) -> bool:
    """Whether today's proposal is off by more than a tenth of the plan's number, in any number of ``keys``."""
    pairs = (pair for key in keys for pair in zip(plan[key], getattr(today, key), strict=True))
    return any(abs(now - then) > 0.1 * then for then, now in pairs)


def _network(spacing_mm: Triple, patch_shape: Shape) -> Architecture:
    """Strides depend on spacing and patch alone, whichever network is trained."""
    return plan_architecture("", spacing_mm, patch_shape, 1, 1, (1,))
