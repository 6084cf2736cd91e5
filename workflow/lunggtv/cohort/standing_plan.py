"""Whether the plan of spacing and patch stands, known before anything runs.

A plan stands until it is deleted, or asked for by name. While it does there is no rule that makes it, so that no other
verdict, wording or code can. An ``ancient`` input would not do: while what writes it is to run, Snakemake overlooks
changed settings and code of every job behind it (seen in Snakemake 9.27).
"""

from collections.abc import Sequence
from pathlib import Path

from lunggtv.files import is_as_written, read_json
from lunggtv.geometry_plan import AUTO


def plan_stands(path: str | Path, spacing_mm: str | Sequence[float | None]) -> bool:
    """Whether a plan is there, as it was written, and for ``cache.spacing_mm`` as it is set.

    A plan of ``auto`` stands for its own numbers too, so that they can be fixed alone.
    """
    try:
        plan = read_json(path)
        fits = (
            plan["given_spacing_mm"] is None if spacing_mm == AUTO else plan["spacing_mm"] == list(spacing_mm)
        )
        return fits and is_as_written(path)
    except (OSError, ValueError, TypeError, KeyError):
        return False
