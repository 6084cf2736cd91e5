"""Nothing trains on a doubtful cohort: a wrong scan or a scan that stands twice costs days and spoils the figures."""

import logging
from collections.abc import Mapping
from typing import Any

from lunggtv.errors import CohortError
from lunggtv.natural_order import natural_key
from lunggtv.shared_scans import shared_scans


def refuse_doubtful(verdicts: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise CohortError if a labelled patient is rejected, or a scan stands under two labelled patients.

    Args:
        verdicts: labelled patient -> content of its verdict.
    """
    doubts = {
        patient: [reason["text"] for reason in content["reasons"] if reason["severity"] == "rejected"]
        for patient, content in verdicts.items()
        if content["verdict"] == "rejected"
    }
    for patient, texts in shared_scans(verdicts).items():
        doubts[patient] = [*doubts.get(patient, []), *texts]
    if doubts:
        lines = [f"  {patient}: {' '.join(doubts[patient])}" for patient in sorted(doubts, key=natural_key)]
        raise CohortError(
            "No fold is trained while a labelled patient is in doubt:\n" + "\n".join(lines) + "\n"
            "Mend their files and run again, or name them under data.exclude with your reason."
        )
    logging.info("no doubt about %d labelled patients", len(verdicts))
