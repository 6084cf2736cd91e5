"""Writes config.yaml, every setting with its meaning, default and range, from the schema: ``make config``."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from lunggtv.files import write_text

PROJECT = Path(__file__).parents[3]
LINE_CHARACTERS = 100


def config_text(schema: Mapping[str, Any]) -> str:
    """The content of config.yaml.

    Args:
        schema: a JSON Schema of objects. Each property has a ``description``, and either a ``default``, which
            makes it one line, or ``properties``, which stand below it.
    """
    lines = list(_comment(schema["description"], ""))
    for key, part in schema["properties"].items():
        lines += ["", *_setting(key, part, schema["$defs"], "")]
    return "\n".join(lines) + "\n"


def _setting(key: str, part: Mapping[str, Any], defs: Mapping[str, Any], indent: str) -> Iterator[str]:
    if "$ref" in part:
        part = defs[part["$ref"].removeprefix("#/$defs/")] | part
    yield from _comment(part["description"], indent)
    if "default" in part:
        allowed = _allowed(part)
        yield f"{indent}{key}: {_written(part['default'])}{f'  # {allowed}' if allowed else ''}"
    else:
        yield f"{indent}{key}:"
        for name, below in part["properties"].items():
            yield from _setting(name, below, defs, f"{indent}  ")


def _comment(text: str, indent: str) -> Iterator[str]:
    for paragraph in text.splitlines():
        yield from textwrap.wrap(
            paragraph,
            LINE_CHARACTERS,
            initial_indent=f"{indent}# ",
            subsequent_indent=f"{indent}# ",
            break_on_hyphens=False,
        )


def _written(value: Any) -> str:
    """A value in one line of YAML; a text that is no plain word in quotes, as others put there may need them."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, str) and re.fullmatch(r"[\w/]+", value):
        return value
    # YAML takes the 3e-05 of JSON for a text.
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else json.dumps(value)


def _allowed(part: Mapping[str, Any]) -> str:
    """What a value may be, in words; empty for texts and mappings, whose description says it."""
    if "enum" in part:
        *first, last = part["enum"]
        return f"{', '.join(first)} or {last}"
    kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
    if "boolean" in kinds:
        words = "true or false"
    elif "array" in kinds:
        items = _allowed(part["items"])
        words = f"each {items}" if items else ""
        # A text that may stand there too is one word.
        words = f"{part['pattern'].strip('^$')}, or {words}" if "string" in kinds else words
    elif "integer" in kinds:
        words = f"a whole number, {_range(part)}"
    else:
        words = _range(part) if "number" in kinds else ""
    return f"{words}, or null" if words and "null" in kinds else words


def _range(part: Mapping[str, Any]) -> str:
    """Both ends of a range; a number without two ends raises KeyError."""
    low = part["minimum"] if "minimum" in part else f"above {part['exclusiveMinimum']}"
    high = part["maximum"] if "maximum" in part else f"below {part['exclusiveMaximum']}"
    return f"{low} to {high}"


if __name__ == "__main__":
    shipped = yaml.safe_load(
        (PROJECT / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8")
    )
    write_text(PROJECT / "config.yaml", config_text(shipped))
