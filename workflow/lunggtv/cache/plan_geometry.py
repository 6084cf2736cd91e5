"""The plan of a cohort: what ``auto`` stands for in the settings, written down once."""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lunggtv.cache.geometry_proposal import (
    LUNG_BOX_MM,
    PATCH_VOXELS,
    Proposal,
    differing,
    propose_geometry,
)
from lunggtv.errors import CohortError
from lunggtv.files import read_json, write_json
from lunggtv.tables import read_tsv
from lunggtv.wording import by

SECTIONS = {"spacing_mm": "cache", "patch_shape": "train"}
UNITS = {"spacing_mm": "mm", "patch_shape": "voxels a patch"}


def plan_geometry(
    verdicts_path: str | Path,
    spacing_mm: str | Sequence[float | None],
    keys: Sequence[str],
    plan_path: str | Path,
) -> None:
    """Write the plan, and tell the lines that fix it in config.yaml.

    Args:
        verdicts_path: verdicts.tsv.
        spacing_mm: ``cache.spacing_mm``; numbers of the user's own are planned for, ``auto`` is proposed.
        keys: what is used of the plan, ``spacing_mm`` or ``patch_shape`` or both; the settings that say ``auto``.
        plan_path: JSON to write.

    Raises:
        CohortError: see ``propose_geometry``.
    """
    given = None if isinstance(spacing_mm, str) else list(spacing_mm)
    proposal = propose_geometry(read_tsv(verdicts_path), given)
    write_json(
        plan_path,
        {
            "spacing_mm": list(proposal.spacing_mm),
            "patch_shape": list(proposal.patch_shape),
            "given_spacing_mm": given,
            "patients": proposal.patients,
            "median_extent_mm": list(proposal.median_extent_mm),
            "lung_box_mm": list(LUNG_BOX_MM),
            "patch_voxels": PATCH_VOXELS,
        },
    )
    words = fixing_lines(proposal, keys)
    logging.info("%s", words)
    print(words, file=sys.stderr, flush=True)


def fixing_lines(proposal: Proposal, keys: Sequence[str]) -> str:
    """What is planned, and the lines of config.yaml that would fix it."""
    lines = [
        f"  {key}: [{', '.join(f'{number:g}' for number in getattr(proposal, key))}]  # under {SECTIONS[key]}"
        for key in keys
    ]
    whom = f"{proposal.patients} patient{'s' * (proposal.patients != 1)}"
    head = f"Planned from {whom}, and kept until results/plan.json is deleted. To fix it in config.yaml:"
    return "\n".join([head, *lines])


def plan_remark(plan_path: str | Path, verdicts_path: str | Path, keys: Sequence[str]) -> str | None:
    """A warning where today's patients propose something else than the plan; None where they do not.

    Args:
        plan_path: what ``plan_geometry`` wrote.
        verdicts_path: verdicts.tsv of today.
        keys: those of the plan's numbers that are used, ``spacing_mm`` or ``patch_shape`` or both.
    """
    plan = read_json(plan_path)
    given = None if "spacing_mm" in keys else plan["spacing_mm"]
    try:
        today = propose_geometry(read_tsv(verdicts_path), given)
    except CohortError:
        return None
    if not differing(plan, today, keys):
        return None
    then, now = (_in_words(found, keys) for found in (plan, vars(today)))
    return f"results/plan.json says {then}, today's patients propose {now}: delete results/plan.json to plan anew"


def _in_words(numbers: Mapping[str, Any], keys: Sequence[str]) -> str:
    return " and ".join(f"{by(numbers[key], 'g')} {UNITS[key]}" for key in keys)
