"""``results/plan.json``: the numbers that stand for ``auto`` in the settings of cache and training."""

from collections.abc import Mapping
from typing import Any

from lunggtv.files import read_json

AUTO = "auto"
PLANNED = ("spacing_mm", "patch_shape")


def filled_in(section: Mapping[str, Any], plan_path: str) -> dict[str, Any]:
    """A section of the settings with the plan's numbers where it says ``auto``.

    The plan is not read, and need not be there, where a section has numbers of its own.
    """
    auto = [key for key in PLANNED if section.get(key) == AUTO]
    plan = read_json(plan_path) if auto else {}
    return {**section, **{key: plan[key] for key in auto}}
