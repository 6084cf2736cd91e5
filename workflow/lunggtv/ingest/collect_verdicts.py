"""All verdicts in one table, with what only the cohort shows: the same CT under two patients."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lunggtv.files import read_json
from lunggtv.ingest.raw_scan import REJECTED
from lunggtv.ingest.verdict import EXCLUDED
from lunggtv.natural_order import natural_key
from lunggtv.shared_scans import shared_scans
from lunggtv.spacing import numbers_of, propose_spacing, proposing
from lunggtv.tables import write_tsv

COLUMNS = (
    "patient", "set", "verdict", "codes", "reasons", "format", "shape", "spacing_mm", "hu_rule", "padding_hu",
    "gtv_ml", "gtv_parts",
)  # fmt: skip


def collect_verdicts(
    verdict_paths: Sequence[str | Path],
    excluded: Mapping[str, str],
    table_path: str | Path,
    ignored: str | None = None,
) -> None:
    """Write the cohort's table: one row a patient in natural order, the excluded with the user's reason.

    Patients that share a CT are rejected here, each naming the other. ``ignored`` says which folders are no
    patients; they have no row.
    """
    if ignored:
        logging.warning("%s", ignored)
    verdicts = {content["patient"]: content for content in map(read_json, verdict_paths)}
    rows = {patient: _row(content) for patient, content in verdicts.items()}
    for patient, texts in shared_scans(verdicts).items():
        row = rows[patient]
        row["verdict"] = REJECTED
        row["codes"] = " ".join([*row["codes"].split(), "same_ct"])
        row["reasons"] = " ".join([row["reasons"], *texts]).strip()
        for text in texts:
            logging.error("Patient %s is rejected. %s", patient, text)
    spacings_mm = [numbers_of(row["spacing_mm"]) for row in proposing(rows.values())]
    for patient, reason in excluded.items():
        rows[patient] = {"patient": patient, "verdict": EXCLUDED, "reasons": reason}
    ordered = sorted(rows, key=natural_key)
    write_tsv(table_path, COLUMNS, [[rows[patient].get(column) for column in COLUMNS] for patient in ordered])
    if spacings_mm:
        logging.info("These scans propose cache.spacing_mm: %s (z, y, x).", propose_spacing(spacings_mm))


def _row(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "patient": content["patient"],
        "set": "labelled" if content["labelled"] else "unlabelled",
        "verdict": content["verdict"],
        "codes": " ".join(reason["code"] for reason in content["reasons"]),
        "reasons": " ".join(reason["text"] for reason in content["reasons"]),
        "format": content["format"],
        "shape": _numbers(content["shape"], "d"),
        "spacing_mm": _numbers(content["spacing_mm"], ".6g"),
        "hu_rule": content["hu_rule"],
        "padding_hu": content["padding_hu"],
        "gtv_ml": None if content["gtv_ml"] is None else f"{content['gtv_ml']:.2f}",
        "gtv_parts": content["gtv_parts"],
    }


def _numbers(values: Sequence[float] | None, form: str) -> str | None:
    return None if values is None else " ".join(format(value, form) for value in values)
