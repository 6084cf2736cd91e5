"""What is written down about a crop: the content of ``crop.json``, and its words in the picture."""

from dataclasses import asdict
from typing import Any

import numpy as np

from lunggtv.cache.cache_settings import Margins
from lunggtv.cache.gtv_losses import Losses
from lunggtv.cache.lung_box import AXES, Crop, Remark
from lunggtv.geometry import Grid, Shape

# A native spacing finer than the cache's by more than this share of it is warned about.
MUCH_FINER = 0.1


def crop_record(
    patient: str,
    grid: Grid,
    cached_grid: Grid,
    margins: Margins,
    crop: Crop,
    body: tuple[Shape, Shape],
    losses: Losses | None,
) -> dict[str, Any]:
    """The content of ``crop.json``. ``body``: start and shape of the body's box. ``losses`` is ``None`` for a
    patient without a label.

    Lists of three are (z, y, x); ``lungs_mm`` and the volumes are those of the lungs found, even where they
    were not believed; ``kept_share`` is the box's part of the scan's voxels.
    """
    right_ml, left_ml = crop.sides_ml
    dice = None if losses is None else losses.round_trip_dice
    warnings = (*crop.warnings, *_loss_warnings(losses), *_spacing_warnings(grid, cached_grid, losses))
    return {
        "patient": patient,
        "box_start": list(crop.start),
        "box_shape": list(crop.shape),
        "body_start": list(body[0]),
        "body_shape": list(body[1]),
        "kept_share": round(float(np.prod(crop.shape) / np.prod(grid.shape)), 4),
        "fallback": crop.fallback_reason is not None,
        "fallback_reason": crop.fallback_reason,
        "symmetric": crop.symmetric,
        "margin_mm": asdict(margins),
        "lungs_ml": round(right_ml + left_ml, 1),
        "right_ml": round(right_ml, 1),
        "left_ml": round(left_ml, 1),
        "lungs_mm": [round(mm, 1) for mm in crop.lungs_mm],
        "native_spacing_mm": list(grid.spacing_mm),
        "cache_spacing_mm": list(cached_grid.spacing_mm),
        "cache_shape": list(cached_grid.shape),
        "gtv_ml": None if losses is None else round(losses.gtv_ml, 3),
        "gtv_lost_ml": None if losses is None else round(losses.gtv_lost_ml, 3),
        "round_trip_dice": None if dice is None else round(dice, 4),
        "warnings": [asdict(warning) for warning in warnings],
    }


def heading_of(record: dict[str, Any]) -> str:
    """The line above the picture."""
    words = [
        f"Patient {record['patient']}",
        f"box {100 * record['kept_share']:.0f} % of the scan",
        f"lungs {record['lungs_ml'] / 1000:.1f} l",
    ]
    if record["gtv_ml"] is not None:
        words.append(f"GTV {record['gtv_ml']:.1f} ml")
    return "    ".join(words)


def remarks_of(record: dict[str, Any]) -> list[str]:
    """Everything to look at, as sentences without a full stop; empty for a crop without remarks."""
    fallback = [f"the body's box was taken: {record['fallback_reason']}"] if record["fallback"] else []
    return fallback + [warning["text"] for warning in record["warnings"]]


def _loss_warnings(losses: Losses | None) -> list[Remark]:
    if losses is None or losses.gtv_lost_ml == 0.0:
        return []
    text = (
        f"{losses.gtv_lost_ml:.2f} of {losses.gtv_ml:.2f} ml GTV lie outside the box and cannot be drawn; "
        "larger cache.margin_mm would keep them"
    )
    return [Remark("gtv_lost", text)]


def _spacing_warnings(native: Grid, cached: Grid, losses: Losses | None) -> list[Remark]:
    finer = [
        f"{name} {own:.2f} instead of {new:.2f} mm"
        for name, own, new in zip(AXES, native.spacing_mm, cached.spacing_mm, strict=True)
        if own < (1.0 - MUCH_FINER) * new
    ]
    if not finer:
        return []
    text = f"the CT is finer than the cache ({', '.join(finer)})"
    if losses is not None and losses.round_trip_dice is not None:
        text += f": resampling alone limits the Dice to {losses.round_trip_dice:.3f}"
    return [Remark("finer_than_cache", text)]
