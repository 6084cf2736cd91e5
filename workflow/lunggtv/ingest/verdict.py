"""The verdict on one patient: from reasons to accepted, warned or rejected, and the words for the user."""

from collections.abc import Sequence
from typing import Any

from lunggtv.ingest.raw_scan import REJECTED, WARNED, Reason

ACCEPTED = "accepted"
EXCLUDED = "excluded"  # by the user, before anything is read


def judge(reasons: Sequence[Reason]) -> str:
    """``rejected`` if any reason rejects, ``warned`` if any warns, else ``accepted``."""
    severities = {reason.severity for reason in reasons}
    return REJECTED if REJECTED in severities else WARNED if WARNED in severities else ACCEPTED


def rejection_message(patient: str, reasons: Sequence[Reason]) -> str:
    """One readable message: the patient, and what rejects it, with the remedies the reasons give."""
    texts = [sentence(reason.text) for reason in reasons if reason.severity == REJECTED]
    return f"Patient {patient} is rejected. {' '.join(texts)}"


def verdict_content(
    patient: str, labelled: bool, reasons: Sequence[Reason], facts: dict[str, Any]
) -> dict[str, Any]:
    """Content of ``verdict.json``; ``facts`` fills the keys that are known, the others are null or empty."""
    unknown: dict[str, Any] = {
        "format": None, "spacing_mm": None, "shape": None, "hu_rule": None, "padding_hu": None,
        "gtv_ml": None, "gtv_parts": None, "ct_digest": None, "ct_slice_digests": [], "digests": {},
    }  # fmt: skip
    own = {
        "patient": patient,
        "labelled": labelled,
        "verdict": judge(reasons),
        "reasons": [{"code": r.code, "text": sentence(r.text), "severity": r.severity} for r in reasons],
    }
    return unknown | facts | own


def sentence(text: str) -> str:
    """``text`` with a full stop, and a capital unless it begins with a file's name.

    A name is what holds signs beside letters, as most do, or stands before a colon or a comma.
    """
    first = text.split(" ", 1)[0]
    begun = text[:1].upper() + text[1:] if first.isalpha() else text
    return begun if begun.endswith((".", "!", "?")) else begun + "."
