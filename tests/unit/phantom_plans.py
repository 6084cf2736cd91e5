"""Phantoms on other voxels than planned."""

from dataclasses import replace

from lungphantom.plan import PhantomPlan


def with_spacing(plan: PhantomPlan, spacing_mm: tuple[float, float, float]) -> PhantomPlan:
    """The same patient on a grid of another spacing that covers the same space to within a voxel."""
    extents_mm = [n * step for n, step in zip(plan.shape, plan.spacing_mm, strict=True)]
    shape = tuple(max(1, round(mm / step)) for mm, step in zip(extents_mm, spacing_mm, strict=True))
    return replace(plan, shape=shape, spacing_mm=tuple(spacing_mm))
