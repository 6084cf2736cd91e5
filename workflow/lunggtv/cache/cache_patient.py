"""The cache stage on files: an ingested volume to cache and crop record."""

import logging
from pathlib import Path

import numpy as np

from lunggtv.cache.cache_settings import CacheSettings
from lunggtv.cache.crop_record import crop_record, remarks_of
from lunggtv.cache.gtv_losses import measure_losses
from lunggtv.cache.lung_box import body_box, choose_crop
from lunggtv.cache.lungs import find_lungs, given_lungs
from lunggtv.cache.shrinking import shrink, shrink_factors, shrunken_grid
from lunggtv.errors import ConfigError, UnreadableImage, UnusableMask
from lunggtv.files import write_json
from lunggtv.geometry import Grid, Orientation
from lunggtv.resampling import resample_ct, resample_mask, target_grid
from lunggtv.volume import Volume, read_volume, write_volume


def cache_patient(
    volume_path: str | Path,
    settings: CacheSettings,
    *,
    cache_path: str | Path,
    crop_json_path: str | Path,
    lungs_path: str | Path | None = None,
) -> None:
    """Crop an ingested volume to the lungs' box, resample it, and record what was done.

    Args:
        volume_path: ingest's ``volume.h5``.
        cache_path, crop_json_path: the outputs.
        lungs_path: a lung mask of the user's own on the CT's voxels, stored in any axis order; ``None`` to find the
            lungs.

    Raises:
        RejectedPatient, DamagedFile: see ``read_volume``.
        ConfigError: the user's lung mask cannot be read or lies on another grid than the CT.
    """
    volume = read_volume(volume_path, "ingest")
    grid, label = volume.grid, volume.label
    factors = shrink_factors(grid)
    small_grid = shrunken_grid(grid, factors)
    hu = shrink(volume.ct, factors)
    if lungs_path is None:
        lungs = find_lungs(hu, small_grid.spacing_mm)
    else:
        given = _read_lungs(lungs_path, volume)
        lungs = given_lungs(shrink(given, factors) > 0, hu, small_grid.spacing_mm)
    # The label has no say in this.
    crop = choose_crop(lungs, factors, grid.shape, grid.spacing_mm, settings.margin_mm)

    box = grid.cropped(crop.start, crop.shape)
    cached_grid = target_grid(box, settings.spacing_mm, settings.keep_native_within)
    small_mask = lungs.mask.astype(np.uint8)
    cached_label = losses = None
    if label is not None:
        cached_label = resample_mask(label, grid, cached_grid)
        losses = measure_losses(label, grid, crop, cached_label, cached_grid)
    body = body_box(lungs.body, factors, grid.shape)
    record = crop_record(volume.patient, grid, cached_grid, settings.margin_mm, crop, body, losses)
    _log(record)

    cached = Volume(
        volume.patient,
        resample_ct(volume.ct, grid, cached_grid),
        cached_grid,
        cached_label,
        resample_mask(small_mask, small_grid, cached_grid),
        volume.metadata
        | {
            "ingested": grid.to_dict(),
            "box_start": list(crop.start),
            "box_shape": list(crop.shape),
            "fallback": record["fallback"],
            "labelled": label is not None,
        },
    )
    write_volume(cache_path, "cache", cached)
    write_json(crop_json_path, record)


def _read_lungs(path: str | Path, volume: Volume) -> np.ndarray:
    """The user's lung mask, turned as ingest turned the CT; uint8, 0 and 1."""
    # Here and not above: loading SimpleITK takes a tenth of the stage's time, and few patients need it.
    from lunggtv.mask_files import read_mask

    original = Grid.from_dict(volume.metadata["original"])
    try:
        mask = read_mask(path, original, "the CT")
    except (UnreadableImage, UnusableMask) as error:
        raise ConfigError(f"Patient {volume.patient}: the lung mask (cache.lungs) {error}") from error
    return Orientation.from_dict(volume.metadata["orientation"]).apply((mask != 0).astype(np.uint8))


def _log(record: dict) -> None:
    """The run's log: where the box lies, and every remark as a warning."""
    logging.info(
        "Box %s + %s voxels, lungs %.0f ml", record["box_start"], record["box_shape"], record["lungs_ml"]
    )
    for remark in remarks_of(record):
        logging.warning("Patient %s: %s.", record["patient"], remark)
