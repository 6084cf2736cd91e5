"""Random changes of a patch: parameters are drawn first, applied second, in batches on the device.

Geometry is one interpolation from the patient's own voxels, so that nothing is blurred twice and no corner
of a rotated patch is empty. Left and right are mirrored; head and feet, front and back never, since such a
patient does not exist. Rotation is wide in the axial plane and small out of it: slices are thick.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lunggtv.geometry import Shape, Triple, shape_of, three_of
from lunggtv.model.normalisation import Normalisation
from lunggtv.train.shipping import shipped
from lunggtv.train.train_settings import AugmentationSettings, Range


@dataclass(frozen=True)
class Augmentation:
    """Parameters of one sample. The defaults change nothing.

    ``rotation_deg`` turns about the z, y and x axis; ``scale`` above 1 enlarges the anatomy;
    ``elastic_mm`` are displacements (z, y, x) at control points, (3, Nz, Ny, Nx), or None.
    """

    mirror: bool = False
    rotation_deg: Triple = (0.0, 0.0, 0.0)
    scale: float = 1.0
    elastic_mm: np.ndarray | None = None
    low_resolution: float = 1.0
    blur_mm: float = 0.0
    noise_hu: float = 0.0
    noise_seed: int = 0
    brightness_hu: float = 0.0
    contrast: float = 1.0
    gamma: float = 1.0


def draw_augmentation(
    generator: np.random.Generator, settings: AugmentationSettings, extent_mm: Triple
) -> Augmentation:
    """Parameters of one sample. Every number is drawn whether used or not, so that the share of one change
    does not alter the draw of another.

    Args:
        generator: the sample's own, see ``sampling.stream``.
        settings: ranges and shares.
        extent_mm: size of the patch, for the number of elastic control points.
    """
    s = settings
    use = generator.random(9)
    values = generator.random(9)
    plane, out = s.rotation_in_plane_deg, s.rotation_out_of_plane_deg
    turned = use[1] < s.geometry_share
    rotation = three_of(
        float(2 * v - 1) * limit for v, limit in zip(values[:3], (plane, out, out), strict=True)
    )
    points = [max(2, round(extent / s.elastic_spacing_mm) + 1) for extent in extent_mm]
    noise_seed = int(generator.integers(2**31))
    # Drawn last: the count of control points varies with the patch and must not shift the other numbers.
    elastic = generator.uniform(-s.elastic_mm, s.elastic_mm, (3, *points)).astype(np.float32)
    return Augmentation(
        mirror=bool(use[0] < s.mirror_share),
        rotation_deg=rotation if turned else (0.0, 0.0, 0.0),
        scale=_between(s.scale, values[3], True) if turned else 1.0,
        elastic_mm=elastic if use[2] < s.elastic_share else None,
        low_resolution=_between(s.low_resolution, values[4]) if use[3] < s.low_resolution_share else 1.0,
        blur_mm=_between(s.blur_mm, values[5]) if use[4] < s.blur_share else 0.0,
        noise_hu=float(values[6]) * s.noise_hu if use[5] < s.noise_share else 0.0,
        noise_seed=noise_seed,
        brightness_hu=float(2 * values[7] - 1) * s.brightness_hu if use[6] < s.brightness_share else 0.0,
        contrast=_between(s.contrast, values[8], True) if use[7] < s.contrast_share else 1.0,
        gamma=_between(s.gamma, float(generator.random()), True) if use[8] < s.gamma_share else 1.0,
    )


@dataclass(frozen=True)
class Reach:
    """The source region of a sample and where output voxels lie in it.

    ``start``, ``shape``: region in the patient's voxels, may leave the box. Output voxel i (z, y, x) comes
    from region voxel ``matrix @ (i - (patch_shape - 1) / 2) + offset``, plus ``elastic`` (3, Nz, Ny, Nx
    control points, in voxels).
    """

    start: Shape
    shape: Shape
    matrix: np.ndarray
    offset: np.ndarray
    elastic: np.ndarray | None


def plan_reach(
    change: Augmentation, centre: tuple[float, float, float], patch_shape: Shape, spacing_mm: Triple
) -> Reach:
    """The region a changed patch around ``centre`` (voxels) reads. Rotations are made in mm."""
    spacing = np.asarray(spacing_mm, dtype=float)
    mirror = np.diag([1.0, 1.0, -1.0 if change.mirror else 1.0])
    matrix = _rotation(change.rotation_deg) @ mirror / change.scale
    matrix = matrix * spacing[None, :] / spacing[:, None]
    half = np.abs(matrix) @ ((np.asarray(patch_shape) - 1) / 2)
    elastic = None
    if change.elastic_mm is not None:
        elastic = (change.elastic_mm / spacing[:, None, None, None]).astype(np.float32)
        half = half + np.abs(elastic).max(axis=(1, 2, 3))
    middle = np.asarray(centre, dtype=float)
    # A hair is taken off so that an unchanged patch reads exactly its own voxels.
    low = np.floor(middle - half + 1e-6).astype(int)
    high = np.ceil(middle + half - 1e-6).astype(int)
    return Reach(shape_of(low), shape_of(high - low + 1), matrix, middle - low, elastic)


def sample_patches(
    regions: list[tuple[Tensor, Tensor]], reaches: list[Reach], patch_shape: Shape
) -> tuple[Tensor, Tensor]:
    """One trilinear interpolation for the whole batch, CT and label together.

    Args:
        regions: CT (HU, any number type) and label (0, 1) of each sample's ``Reach``, cut from its volume.
        reaches: as planned.
        patch_shape: of the output.

    Returns:
        CT (B, 1, Z, Y, X) float32 HU, label (B, 1, Z, Y, X) float32 of 0 and 1 (at least half is GTV).
    """
    device = regions[0][0].device
    largest = [max(reach.shape[axis] for reach in reaches) for axis in range(3)]
    # Shorter regions are filled up behind; no output voxel reads the filling.
    source = torch.zeros((len(regions), 2, *largest), device=device)
    for row, (ct, label) in zip(source, regions, strict=True):
        place = tuple(slice(0, n) for n in ct.shape)
        row[0][place], row[1][place] = ct, label
    grids = _positions(reaches, patch_shape, largest, device)
    moved = functional.grid_sample(source, grids, mode="bilinear", padding_mode="border", align_corners=True)
    return moved[:, :1], (moved[:, 1:] >= 0.5).float()


def change_intensity(
    ct_hu: Tensor, changes: list[Augmentation], spacings_mm: list[Triple], normalisation: Normalisation
) -> Tensor:
    """Low resolution, blur, noise, brightness and contrast in HU; gamma inside the window; then z-score.

    Args:
        ct_hu: (B, 1, Z, Y, X) float32 HU.
        changes: parameters of each sample.
        spacings_mm: of each sample.
        normalisation: of the fold.

    Returns:
        (B, 1, Z, Y, X) normalised float32.
    """
    samples = [
        _change_grey(_change_sample(sample[None], change, spacing_mm), change, normalisation)
        for sample, change, spacing_mm in zip(ct_hu, changes, spacings_mm, strict=True)
    ]
    return normalisation.apply(torch.cat(samples))


def _change_grey(ct_hu: Tensor, change: Augmentation, normalisation: Normalisation) -> Tensor:
    """Numbers of the host go along with the operations: a tensor of them would be copied to the device."""
    # Contrast turns about the fold's mean, so that it is no hidden shift of brightness.
    ct_hu = (ct_hu - normalisation.mean_hu) * change.contrast + normalisation.mean_hu + change.brightness_hu
    lower, upper = normalisation.lower_hu, normalisation.upper_hu
    inside = ((ct_hu - lower) / (upper - lower)).clamp(0, 1)
    return inside.pow(change.gamma) * (upper - lower) + lower


def _change_sample(ct_hu: Tensor, change: Augmentation, spacing_mm: Triple) -> Tensor:
    """The changes that need a sample's own sizes: (1, 1, Z, Y, X) to the same."""
    size = ct_hu.shape[2:]
    if change.low_resolution < 1:
        # Only in the plane: slices are thick already.
        small = [size[0], *(max(1, round(n * change.low_resolution)) for n in size[1:])]
        coarse = functional.interpolate(ct_hu, size=small, mode="nearest-exact")
        ct_hu = functional.interpolate(coarse, size=size, mode="trilinear", align_corners=False)
    if change.blur_mm > 0:
        for axis, step_mm in enumerate(spacing_mm):
            ct_hu = _blurred(ct_hu, axis + 2, change.blur_mm / step_mm)
    if change.noise_hu > 0:
        generator = torch.Generator(ct_hu.device).manual_seed(change.noise_seed)
        noise = torch.randn(ct_hu.shape, generator=generator, device=ct_hu.device)
        ct_hu = ct_hu + change.noise_hu * noise
    return ct_hu


def _blurred(x: Tensor, dim: int, sigma_vox: float) -> Tensor:
    """Gaussian along one axis of a (1, 1, Z, Y, X) tensor; edges repeat. Nothing below a third of a voxel."""
    radius = min(int(np.ceil(3 * sigma_vox)), x.shape[dim] - 1)
    if sigma_vox < 1 / 3 or radius < 1:
        return x
    offset = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (offset / sigma_vox) ** 2)
    kernel = kernel / kernel.sum()
    padding = [0] * 6
    padding[2 * (4 - dim) : 2 * (4 - dim) + 2] = [radius, radius]
    padded = functional.pad(x, padding, mode="replicate")
    shape = [1] * 5
    shape[dim] = -1
    return functional.conv3d(padded, kernel.view(shape))


def _positions(
    reaches: list[Reach], patch_shape: Shape, region_shape: list[int], device: torch.device
) -> Tensor:
    """Where output voxels lie in the regions, in grid_sample's terms: (B, Z, Y, X, 3), x first, -1 to 1."""
    size = torch.tensor([max(n - 1, 1) for n in region_shape], dtype=torch.float64)
    axes = [torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in patch_shape]
    on_host: list[Tensor] = []
    for reach in reaches:
        matrix = torch.from_numpy(reach.matrix) * 2 / size[:, None]
        # Summing three outer axes costs one addition a voxel where a matrix product would cost nine.
        on_host += [axis[:, None] * matrix[:, index] for index, axis in enumerate(axes)]
        on_host.append(torch.from_numpy(reach.offset) * 2 / size - 1)
        if reach.elastic is not None:
            on_host += [torch.from_numpy(reach.elastic), 2 / size]
    there = iter(shipped(on_host, device))
    grids = []
    for reach in reaches:
        along_z, along_y, along_x, offset = (next(there) for _ in range(4))
        grid = along_z[:, None, None] + (along_y[:, None] + along_x)[None] + offset
        if reach.elastic is not None:
            control, scale = next(there)[None], next(there)
            field = functional.interpolate(control, size=patch_shape, mode="trilinear", align_corners=True)[0]
            grid = grid + field.permute(1, 2, 3, 0) * scale
        grids.append(grid.flip(-1))
    return torch.stack(grids)


def _rotation(angles_deg: Triple) -> np.ndarray:
    """Rotation matrix on (z, y, x): about z (in the axial plane), then about y, then about x."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(angles_deg)):
        first, second = [other for other in range(3) if other != axis]
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def _between(limits: Range, share: float, logarithmic: bool = False) -> float:
    """A value between the limits; logarithmically for factors, so that 1/2 and 2 are equally likely."""
    low, high = limits
    return float(low * (high / low) ** share) if logarithmic else float(low + (high - low) * share)
