"""Texts in the place of other values, in the types of the schema.

What stands in braces behind ``--config`` reaches a workflow as texts, at every depth: ``train={steps: 20}`` as
``{"steps": "20"}`` (Snakemake 9 reads it with YAML's base loader). They become what YAML makes of them in a file,
so that the same settings are the same params and rerun nothing.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lunggtv.cohort.config import LOADER, read_schema

KINDS = {bool: {"boolean"}, int: {"integer", "number"}, float: {"number"}, list: {"array"}, dict: {"object"}}


def typed_texts(config: Mapping[str, Any], schema_path: str | Path) -> dict[str, Any]:
    """Settings with every text that its schema does not want as a text turned into what it says.

    A text that says nothing of the wanted type stays, and so does a key that the schema does not know:
    ``check_config`` names both. Where a text or null is allowed, ``null`` is null.
    """
    schema = read_schema(schema_path)
    return {key: _typed(value, _part(schema, key), schema["$defs"]) for key, value in config.items()}


def _typed(value: Any, part: Mapping[str, Any], defs: Mapping[str, Any]) -> Any:
    if "$ref" in part:
        part = defs[part["$ref"].removeprefix("#/$defs/")] | part
    if isinstance(value, str):
        value = _said(value, part)
    if isinstance(value, Mapping):
        return {key: _typed(below, _part(part, key), defs) for key, below in value.items()}
    if isinstance(value, list):
        return [_typed(item, part.get("items", {}), defs) for item in value]
    return value


def _part(schema: Mapping[str, Any], key: Any) -> Mapping[str, Any]:
    """The schema of what stands under a key; an empty one where it has none."""
    part = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
    return part if isinstance(part, Mapping) else {}


def _said(text: str, part: Mapping[str, Any]) -> Any:
    kinds = part.get("type", "string")
    wanted = {kinds} if isinstance(kinds, str) else set(kinds)
    try:
        said = yaml.load(text, LOADER)
        # YAML 1.1 takes 1e-3 for a text, people and JSON for a number.
        said = float(said) if isinstance(said, str) and "number" in wanted else said
    except (yaml.YAMLError, ValueError):
        return text
    if said is None:
        return None if "null" in wanted else text
    if isinstance(said, float) and not math.isfinite(said):
        return text
    return said if KINDS.get(type(said), set()) & wanted - {"string"} else text
