"""config.yaml is what the schema says, and the schema says everything about every key."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from lunggtv.cohort.write_config import config_text

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
TEXT = (ROOT / "config.yaml").read_text(encoding="utf-8")


def parts(schema: dict, path: str = "") -> Iterator[tuple[str, dict]]:
    """All keys of a schema at any depth, with their places."""
    for key, part in schema.get("properties", {}).items():
        yield f"{path}{key}", part
        yield from parts(part, f"{path}{key}.")


def written(part: dict) -> str:
    """What is written of a single key ``x``, without the head of the file."""
    schema = {"description": "Head.", "$defs": {"share": {"type": "number", "minimum": 0, "maximum": 1}}}
    return config_text(schema | {"properties": {"x": {"description": "Meaning.", **part}}}).split("\n\n")[1]


def test_the_shipped_file_is_what_the_schema_says():
    assert config_text(SCHEMA) == TEXT, "`make config` writes it; own values belong in a file of your own"


@pytest.mark.parametrize(
    ("path", "part"), list(parts(SCHEMA)), ids=lambda value: value if type(value) is str else ""
)
def test_every_key_has_a_meaning_and_a_default(path, part):
    assert part["description"].endswith(".")
    assert ("default" in part) != ("properties" in part)


def test_every_key_is_required_and_none_is_required_twice():
    for path, part in [("", SCHEMA), *parts(SCHEMA)]:
        if "properties" in part:
            assert part["required"] == list(part["properties"]), path


def test_lines_are_short_and_every_key_has_a_comment_above():
    lines = TEXT.splitlines()
    assert max(map(len, lines)) <= 100
    keys = [number for number, line in enumerate(lines) if line and not line.lstrip().startswith("#")]
    assert len(keys) == len(list(parts(SCHEMA)))
    for number in keys:
        indent = lines[number][: -len(lines[number].lstrip())]
        assert lines[number - 1].startswith(f"{indent}# "), lines[number]


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ({"type": "number", "minimum": 0, "maximum": 0.5, "default": 0.1}, "x: 0.1  # 0 to 0.5"),
        ({"$ref": "#/$defs/share", "default": 1}, "x: 1  # 0 to 1"),
        (
            {"type": ["number", "null"], "exclusiveMinimum": 0, "exclusiveMaximum": 1, "default": None},
            "x: null  # above 0 to below 1, or null",
        ),
        (
            {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 9}, "default": [1, 2]},
            "x: [1, 2]  # each a whole number, 1 to 9",
        ),
        ({"type": "array", "items": {"type": "string"}, "default": ["GTV.*"]}, 'x: ["GTV.*"]'),
        (
            {
                "type": ["string", "array"],
                "pattern": "^auto$",
                "default": "auto",
                "items": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 20},
            },
            "x: auto  # auto, or each above 0 to 20, or null",
        ),
        ({"type": "boolean", "default": False}, "x: false  # true or false"),
        ({"enum": ["a", "b", "c"], "default": "a"}, "x: a  # a, b or c"),
        ({"type": ["string", "null"], "default": None}, "x: null"),
        ({"type": "object", "default": {}}, "x: {}"),
    ],
)
def test_a_value_stands_with_what_is_allowed(part, line):
    assert written(part) == f"# Meaning.\n{line}\n"


@pytest.mark.parametrize(
    "value", ["raw/labelled", "{patient}/a.nii.gz", "GTV 1: x", "# a", 0.00003, 5.0, 1e-7, True]
)
def test_a_value_is_read_as_it_was_meant(value):
    read = yaml.safe_load(written({"type": "string", "default": value}))["x"]
    assert (read, type(read)) == (value, type(value))


def test_a_long_meaning_is_broken_within_its_section():
    inner = {"y": {"description": "Long words. " * 20, "type": "string", "default": "a"}}
    first, *comment, last = written({"properties": inner}).splitlines()[1:]
    assert (first, last) == ("x:", "  y: a")
    assert len(comment) > 1
    assert all(line.startswith("  # ") and len(line) <= 100 for line in comment)


def test_a_number_without_an_end_is_no_range():
    with pytest.raises(KeyError):
        written({"type": "number", "minimum": 0, "default": 1})
