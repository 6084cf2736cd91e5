"""Dealing patients to folds: known from the names alone, and appending patients moves nobody.

Permuted blocks, as clinical trials randomise (Matts and Lachin 1988): patients in natural order, each block
of ``count`` neighbours dealt one to each fold by a permutation of its own.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence

from lunggtv.errors import CohortError
from lunggtv.natural_order import natural_key


def deal_folds(
    patients: Sequence[str], count: int, seed: int, pinned: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Fold of every patient, in natural order; folds are balanced to within one.

    Args:
        patients: ids of all labelled patients, excluded ones too (they keep their place).
        count: number of folds.
        seed: seed of the permutations.
        pinned: folds fixed by the user (grouped scans, a published split); the others are dealt around
            them in blocks of their own.

    Raises:
        CohortError: a pinned patient is unknown or its fold does not exist.
    """
    pinned = dict(pinned or {})
    unknown = sorted(set(pinned) - set(patients), key=natural_key)
    if unknown:
        raise CohortError(f"folds.pinned names labelled patients that were not found: {', '.join(unknown)}.")
    outside = {p: f for p, f in pinned.items() if not 0 <= f < count}
    if outside:
        raise CohortError(f"folds.pinned names folds outside 0..{count - 1}: {outside}.")
    free = sorted((p for p in patients if p not in pinned), key=natural_key)
    folds = {p: _block(seed, i // count, count)[i % count] for i, p in enumerate(free)} | pinned
    return {patient: folds[patient] for patient in sorted(patients, key=natural_key)}


def _block(seed: int, block: int, count: int) -> list[int]:
    digest = hashlib.sha256(f"folds {seed} {block} {count}".encode()).digest()
    order = list(range(count))
    random.Random(int.from_bytes(digest[:8], "big")).shuffle(order)
    return order
