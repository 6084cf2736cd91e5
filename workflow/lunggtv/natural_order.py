"""The order in which people expect names: 2 before 10."""

import re


def natural_key(patient: str) -> tuple:
    """Sort key that puts 2 before 10; ties (``1`` and ``01``) fall back to the text."""
    pieces = re.split(r"([0-9]+)", patient)
    key = tuple((0, int(p), "") if p.isascii() and p.isdigit() else (1, 0, p.casefold()) for p in pieces if p)
    return key, patient
