"""What a fold learns from and how, written down before it is trained.

A plan reads no result, so that Snakemake always sees when it has changed: of a job with an ``ancient`` input, as
training has in the verdicts, it overlooks changes while what writes that input is to run too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lunggtv.files import write_json


def plan_fold(
    *,
    fold: int,
    patients: Sequence[str],
    config: Mapping[str, Any],
    identity: Mapping[str, str],
    plan: str | Path,
) -> None:
    """Write a fold's plan.

    Args:
        fold: number of the fold.
        patients: that it learns from, in their order.
        config: the settings of training.
        identity: fingerprint of the code that decides the weights.
        plan: JSON to write.
    """
    write_json(
        plan,
        {"fold": fold, "train_patients": list(patients), "config": dict(config), "identity": dict(identity)},
    )
