"""The picture of a crop from what the stage has stored."""

from pathlib import Path

import numpy as np

from lunggtv.boxes import box_at, joint_box
from lunggtv.cache.crop_picture import Scene, draw_crop
from lunggtv.cache.crop_record import heading_of, remarks_of
from lunggtv.cache.shrinking import shrink_factors, shrunken_grid
from lunggtv.errors import DamagedFile
from lunggtv.files import read_json, whole_file
from lunggtv.geometry import Grid, shape_of, three_of
from lunggtv.resampling import paste_box, resample_mask
from lunggtv.volume import Volume, read_volume


def picture_crop(*, volume: str | Path, cache: str | Path, record: str | Path, picture: str | Path) -> None:
    """Draw lungs, box and GTV on the scan.

    Args:
        volume: ingest's ``volume.h5``.
        cache: the patient's cache.
        record: ``crop.json``.
        picture: PNG to write.

    Raises:
        RejectedPatient, DamagedFile: see ``read_volume``.
    """
    scan, cached, crop = read_volume(volume, "ingest"), read_volume(cache, "cache"), read_json(record)
    factors = shrink_factors(scan.grid)
    scene = Scene(
        scan.ct,
        scan.grid,
        shape_of(crop["box_start"]),
        shape_of(crop["box_shape"]),
        _lungs(cached, crop, shrunken_grid(scan.grid, factors), factors),
        factors,
        scan.label,
        three_of(
            joint_box(*(box_at(crop[f"{name}_start"], crop[f"{name}_shape"]) for name in ("body", "box")))
        ),
    )
    with whole_file(picture) as partial:
        draw_crop(scene, heading_of(crop), remarks_of(crop)).save(partial)


def _lungs(cached: Volume, crop: dict, small: Grid, factors: tuple[int, int, int]) -> np.ndarray:
    """The cached lungs on the shrunken grid of the whole scan; nothing outside the box."""
    if cached.lungs is None:
        raise DamagedFile(
            f"The cache of patient {cached.patient} has no lungs. Delete it and run snakemake again."
        )
    start = np.array(crop["box_start"])
    low = start // factors
    high = np.minimum(-(-(start + crop["box_shape"]) // factors), small.shape)
    begin, size = shape_of(low), shape_of(high - low)
    part = resample_mask(cached.lungs, cached.grid, small.cropped(begin, size))
    return paste_box(part, begin, small.shape, 0)
