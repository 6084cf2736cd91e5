"""The cache stage on files: an ingested volume to cache, crop record and picture; the cohort's table."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lunggtv.cache.box import Crop, Warned, choose_crop
from lunggtv.cache.crops import COLUMNS, crop_row, sort_crops
from lunggtv.cache.losses import Losses, measure_losses
from lunggtv.cache.lungs import Lungs, find_lungs, given_lungs, shrink, shrink_factors, shrunken_grid
from lunggtv.cache.picture import Scene, draw_crop
from lunggtv.cache.settings import CacheSettings
from lunggtv.errors import ConfigError
from lunggtv.geometry import Grid, Orientation
from lunggtv.images import read_image
from lunggtv.resampling import resample_ct, resample_mask, target_grid
from lunggtv.storage import read_json, whole_file, write_json, write_tsv
from lunggtv.volume import Volume, read_volume, write_volume

# A native spacing finer than the cache's by more than this share of it is warned about.
MUCH_FINER = 0.1
SAME_PLACE_MM = 0.01

Path_ = str | Path


def cache_patient(
    volume_path: Path_,
    settings: CacheSettings,
    cache_path: Path_,
    crop_json_path: Path_,
    picture_path: Path_,
    lungs_path: Path_ | None = None,
) -> None:
    """Crop an ingested volume to the lungs' box, resample it, and record what was done.

    Args:
        volume_path: ingest's ``volume.h5``.
        cache_path, crop_json_path, picture_path: the outputs.
        lungs_path: a lung mask of the user's own on the CT's stored grid; ``None`` to find the lungs.

    Raises:
        RejectedPatient, DamagedFile: see ``read_volume``.
        ConfigError: the user's lung mask lies on another grid than the CT.
    """
    volume = read_volume(volume_path, "ingest")
    grid = volume.grid
    factors = shrink_factors(grid.spacing_mm)
    small_grid = shrunken_grid(grid, factors)
    hu = shrink(volume.ct, factors)
    if lungs_path is None:
        lungs = find_lungs(hu, small_grid.spacing_mm)
    else:
        given = _read_lungs(lungs_path, volume)
        lungs = given_lungs(shrink(given, factors) > 0, hu, small_grid.spacing_mm)
    crop = choose_crop(lungs, factors, grid.shape, grid.spacing_mm, settings.margin_mm)

    box = grid.cropped(crop.start, crop.shape)
    cached_grid = target_grid(box, settings.spacing_mm, settings.keep_native_within)
    small_mask = lungs.mask.astype(np.uint8)
    label = volume.label
    cached_label = None if label is None else resample_mask(label, grid, cached_grid)
    losses = None if label is None else measure_losses(label, grid, crop, cached_label, cached_grid)
    warnings = (*crop.warnings, *_spacing_warnings(grid, cached_grid, losses), *_loss_warnings(losses))
    record = _record(volume.patient, grid, cached_grid, settings, lungs, crop, losses, warnings)

    metadata = volume.metadata | {
        "ingested": grid.to_dict(),
        "box_start": list(crop.start),
        "box_shape": list(crop.shape),
        "fallback": record["fallback"],
        "labelled": label is not None,
    }
    cached = Volume(
        volume.patient,
        resample_ct(volume.ct, grid, cached_grid),
        cached_grid,
        cached_label,
        resample_mask(small_mask, small_grid, cached_grid),
        metadata,
    )
    write_volume(cache_path, "cache", cached)
    write_json(crop_json_path, record)
    scene = Scene(volume.ct, grid, crop.start, crop.shape, small_mask, factors, label)
    with whole_file(picture_path) as partial:
        draw_crop(scene, _heading(record)).save(partial, optimize=True)
    _log(record)


def collect_crops(crop_json_paths: Sequence[Path_], table_path: Path_) -> None:
    """Gather the crop records of all patients in one table, suspicious ones first."""
    crops = sort_crops([read_json(path) for path in crop_json_paths])
    write_tsv(table_path, COLUMNS, [crop_row(crop) for crop in crops])


def _read_lungs(path: Path_, volume: Volume) -> np.ndarray:
    """The user's lung mask, turned as ingest turned the CT; uint8, 0 and 1."""
    mask, found = read_image(path)
    wanted = Grid.from_dict(volume.metadata["original"])
    corners = np.array([[z, y, x] for z in (0, 1) for y in (0, 1) for x in (0, 1)]) * np.subtract(
        wanted.shape, 1
    )
    if found.shape != wanted.shape or not np.allclose(
        found.point_mm(corners), wanted.point_mm(corners), rtol=0.0, atol=SAME_PLACE_MM
    ):
        raise ConfigError(
            f"Patient {volume.patient}: the lung mask {path} ({found.shape} voxels of {found.spacing_mm} mm) is "
            f"not on the grid of the CT ({wanted.shape} voxels of {wanted.spacing_mm} mm). Make it on the CT, "
            "or set cache.lungs to null."
        )
    return Orientation.from_dict(volume.metadata["orientation"]).apply((mask != 0).astype(np.uint8))


def _spacing_warnings(native: Grid, cached: Grid, losses: Losses | None) -> list[Warned]:
    finer = [
        f"{name} {own:.2f} mm (cache {new:.2f} mm)"
        for name, own, new in zip(("z", "y", "x"), native.spacing_mm, cached.spacing_mm, strict=True)
        if own < (1.0 - MUCH_FINER) * new
    ]
    if not finer:
        return []
    ceiling = ""
    if losses is not None and losses.round_trip_dice is not None:
        ceiling = f"; resampling alone limits the Dice to {losses.round_trip_dice:.3f}"
    return [Warned("finer_than_cache", f"the CT is finer than the cache along {', '.join(finer)}{ceiling}")]


def _loss_warnings(losses: Losses | None) -> list[Warned]:
    if losses is None or losses.gtv_lost_ml == 0.0:
        return []
    text = f"{losses.gtv_lost_ml:.2f} ml of {losses.gtv_ml:.2f} ml GTV lie outside the box; raise cache.margin_mm"
    return [Warned("gtv_lost", text)]


def _record(
    patient: str,
    grid: Grid,
    cached_grid: Grid,
    settings: CacheSettings,
    lungs: Lungs,
    crop: Crop,
    losses: Losses | None,
    warnings: Sequence[Warned],
) -> dict[str, Any]:
    right_ml, left_ml = crop.sides_ml
    return {
        "patient": patient,
        "box_start": list(crop.start),
        "box_shape": list(crop.shape),
        "kept_share": round(float(np.prod(crop.shape) / np.prod(grid.shape)), 4),
        "fallback": crop.fallback_reason is not None,
        "fallback_reason": crop.fallback_reason,
        "symmetric": crop.symmetric,
        "lungs_ml": round(right_ml + left_ml, 1),
        "right_ml": round(right_ml, 1),
        "left_ml": round(left_ml, 1),
        "lungs_mm": [round(mm, 1) for mm in crop.lungs_mm],
        "margin_mm": asdict(settings.margin_mm),
        "spacing_mm": list(cached_grid.spacing_mm),
        "native_spacing_mm": list(grid.spacing_mm),
        "shape": list(cached_grid.shape),
        "gtv_ml": None if losses is None else round(losses.gtv_ml, 3),
        "gtv_lost_ml": None if losses is None else round(losses.gtv_lost_ml, 3),
        "round_trip_dice": None
        if losses is None or losses.round_trip_dice is None
        else round(losses.round_trip_dice, 4),
        "warnings": [asdict(warning) for warning in warnings],
    }


def _heading(record: dict[str, Any]) -> str:
    words = [f"Patient {record['patient']}", f"box {100 * record['kept_share']:.0f} % of the scan"]
    words.append(f"lungs {record['lungs_ml'] / 1000:.1f} l")
    if record["gtv_ml"] is not None:
        words.append(f"GTV {record['gtv_ml']:.1f} ml, {record['gtv_lost_ml']:.1f} ml outside the box")
    if record["fallback"]:
        words.append("FALLBACK: body's box")
    return "   ".join(words)


def _log(record: dict[str, Any]) -> None:
    logging.info(
        "box %s + %s voxels, lungs %.0f ml", record["box_start"], record["box_shape"], record["lungs_ml"]
    )
    if record["fallback"]:
        logging.warning(
            "Patient %s: %s; the body's box is taken.", record["patient"], record["fallback_reason"]
        )
    for warning in record["warnings"]:
        logging.warning("Patient %s: %s.", record["patient"], warning["text"])
