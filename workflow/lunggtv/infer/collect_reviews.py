"""The review queue of a cohort: every draft, those most in need of a look first."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lunggtv.files import read_json
from lunggtv.natural_order import natural_key
from lunggtv.tables import write_tsv

COLUMNS = (
    "rank", "patient", "reasons", "expected_dice", "pairwise_dice", "entropy_bits", "volume_ml", "lesions",
    "review",
)  # fmt: skip


def collect_reviews(infer_jsons: Sequence[str | Path], table_path: str | Path) -> None:
    """Write ``review.tsv`` from the patients' ``infer.json``; see ``urgency`` for the order.

    ``reasons`` counts them, ``review`` holds them in words. Patients without any GTV are named on the terminal
    and in the log, too: a missed tumour must not wait until somebody opens the table.
    """
    drafts = sorted((read_json(path) for path in infer_jsons), key=urgency)
    rows = [
        [
            rank, draft["patient"], len(draft["review"]), draft["expected_dice"],
            draft["uncertainty"]["pairwise_dice"], draft["uncertainty"]["entropy_bits"], draft["volume_ml"],
            len(draft["lesions"]), " ".join(draft["review"]),
        ]
        for rank, draft in enumerate(drafts, start=1)
    ]  # fmt: skip
    write_tsv(table_path, COLUMNS, rows)
    empty = [draft["patient"] for draft in drafts if not draft["lesions"]]
    if empty:
        words = f"No GTV found in {len(empty)} of {len(drafts)} patients: {', '.join(empty)}. Look at their scans."
        logging.warning("%s", words)
        print(f"warning: {words}", file=sys.stderr, flush=True)


def urgency(draft: dict[str, Any]) -> tuple:
    """Sort key: no GTV found, then more reasons, then the lower expected Dice (or agreement of the models, or
    the lower certainty), then natural order of the patients."""
    found = draft["uncertainty"]
    certainty = draft["expected_dice"]
    if certainty is None:
        certainty = found["pairwise_dice"]
    if certainty is None:
        certainty = 1.0 - (found["entropy_bits"] or 0.0)
    return bool(draft["lesions"]), -len(draft["review"]), certainty, natural_key(draft["patient"])
