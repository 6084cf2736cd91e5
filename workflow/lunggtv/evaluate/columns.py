"""The metrics by name: their order in tables, and which direction is better."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Better = Literal["higher", "lower", "zero"]

IDENTITY = ("patient", "fold", "outcome")
OVERLAP: dict[str, Better] = {
    "dice": "higher",
    "jaccard": "higher",
    "sensitivity": "higher",
    "precision": "higher",
}
DISTANCE: dict[str, Better] = {
    "hd95_mm": "lower",
    "hd95_pooled_mm": "lower",
    "hd_mm": "lower",
    "assd_mm": "lower",
    "median_surface_distance_mm": "lower",
}
EDITING: dict[str, Better] = {
    "added_path_length_mm": "lower",
    "added_path_share": "lower",
    "added_path_length_1px_mm": "lower",
    "added_path_share_1px": "lower",
}
# Signed: the best value is 0, and a mean near 0 may hide large errors both ways.
ERRORS: dict[str, Better] = {
    "volume_error_ml": "zero",
    "volume_error_percent": "zero",
    "centroid_shift_mm": "lower",
    "centroid_shift_cranial_mm": "zero",
    "centroid_shift_posterior_mm": "zero",
    "centroid_shift_left_mm": "zero",
    "cranial_error_slices": "zero",
    "cranial_error_mm": "zero",
    "caudal_error_slices": "zero",
    "caudal_error_mm": "zero",
}
LESIONS: dict[str, Better] = {"lesions_found": "higher", "lesions_missed": "lower", "lesions_false": "lower"}
SIZES = (
    "label_ml",
    "prediction_ml",
    "label_contour_mm",
    "lesions_label",
    "contact_share",
    "contact",
    "diagonal_mm",
)


def metric_directions(records: Sequence[Mapping[str, Any]]) -> dict[str, Better]:
    """Every metric of the records in table order, with the direction that is better.

    The surface Dice columns are those that all records share, in order of tolerance.
    """
    surface: dict[str, Better] = dict.fromkeys(_surface_keys(records), "higher")
    return OVERLAP | surface | DISTANCE | EDITING | ERRORS | LESIONS


def table_columns(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns of metrics.tsv."""
    return [*IDENTITY, *metric_directions(records), *SIZES]


def loss(value: float, better: Better) -> float:
    """A number that is smaller the better the metric's value is."""
    return {"higher": -value, "lower": value, "zero": abs(value)}[better]


def _surface_keys(records: Sequence[Mapping[str, Any]]) -> list[str]:
    if not records:
        return []
    shared = set.intersection(*(set(record) for record in records))
    found = {key: re.fullmatch(r"surface_dice_([0-9.e+-]+)mm", key) for key in shared}
    tolerances = {key: float(match[1]) for key, match in found.items() if match}
    return sorted(tolerances, key=tolerances.__getitem__)
