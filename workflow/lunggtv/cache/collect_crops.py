"""The table of all crops, suspicious ones first."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lunggtv.files import read_json
from lunggtv.natural_order import natural_key
from lunggtv.tables import write_tsv

COLUMNS = (
    "patient", "fallback", "fallback_reason", "gtv_ml", "gtv_lost_ml", "round_trip_dice", "lungs_ml",
    "right_ml", "left_ml", "lungs_z_mm", "lungs_y_mm", "lungs_x_mm", "kept_share", "warnings",
)  # fmt: skip


def sort_crops(crops: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Lost GTV first (most ml first), then fallbacks, then the most warnings, then natural order."""
    return sorted(
        crops,
        key=lambda crop: (
            -(crop["gtv_lost_ml"] or 0.0),
            not crop["fallback"],
            -len(crop["warnings"]),
            natural_key(crop["patient"]),
        ),
    )


def crop_row(crop: Mapping[str, Any]) -> list[Any]:
    """One row of the table, in the order of ``COLUMNS``."""
    z_mm, y_mm, x_mm = crop["lungs_mm"]
    values = {
        **crop,
        "fallback": str(crop["fallback"]).lower(),
        "lungs_z_mm": z_mm,
        "lungs_y_mm": y_mm,
        "lungs_x_mm": x_mm,
        "warnings": ", ".join(warning["code"] for warning in crop["warnings"]),
    }
    return [values[column] for column in COLUMNS]


def collect_crops(
    crop_json_paths: Sequence[str | Path], table_path: str | Path, remark: str | None = None
) -> None:
    """Gather the crop records of all patients in one table, suspicious ones first.

    A ``remark`` concerns all crops: it is warned of, and one more column says that there is one.
    """
    crops = sort_crops([read_json(path) for path in crop_json_paths])
    columns, rows = [*COLUMNS], [crop_row(crop) for crop in crops]
    if remark:
        logging.warning("%s.", remark)
        columns, rows = [*columns, "plan"], [[*row, "differs from today's proposal"] for row in rows]
    write_tsv(table_path, columns, rows)
