"""A wrong setting is named, with what is allowed and the nearest right key."""

from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from lunggtv.config import check_config, plain
from lunggtv.errors import ConfigError

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
SHIPPED = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def changed(path: str, value):
    config = deepcopy(SHIPPED)
    place = config
    *folders, last = path.split(".")
    for folder in folders:
        place = place[folder]
    place[last] = value
    return config


def message(config) -> str:
    with pytest.raises(ConfigError) as caught:
        check_config(config, SCHEMA)
    return str(caught.value)


def test_the_shipped_config_is_right():
    check_config(SHIPPED, SCHEMA)


@pytest.mark.parametrize("path", ["cahce", "cache.margin_m", "evaluate.tolerance_mm", "data.exclud"])
def test_a_typo_names_the_key_and_the_nearest_right_one(path):
    right = {
        "cahce": "cache",
        "cache.margin_m": "cache.margin_mm",
        "evaluate.tolerance_mm": "evaluate.tolerances_mm",
        "data.exclud": "data.exclude",
    }
    text = message(changed(path, 1))
    assert f"{path}: no such key" in text
    assert f"did you mean {right[path]}?" in text


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("folds.count", "five", ["folds.count", "'five'", "integer", "at least 2"]),
        ("folds.count", 1, ["folds.count", "is 1", "at least 2", "at most 20"]),
        ("data.follow_links", "yes", ["data.follow_links", "boolean"]),
        ("cache.margin_mm.cranial", -1, ["cache.margin_mm.cranial", "is -1", "at least 0"]),
        ("cache.spacing_mm", [5.0, 1.17], ["cache.spacing_mm", "at least this many values: 3"]),
        ("data.image", "data.nii.gz", ["data.image", "matching", "patient"]),
        ("evaluate.tolerances_mm", [2, 2], ["evaluate.tolerances_mm", "without repetition"]),
    ],
)
def test_a_wrong_value_names_the_key_the_value_and_what_is_allowed(path, value, words):
    text = message(changed(path, value))
    assert all(word in text for word in words), text


def test_a_missing_key_is_named():
    config = deepcopy(SHIPPED)
    del config["folds"]["seed"]
    assert "folds.seed: is missing" in message(config)


def test_every_level_of_the_schema_forbids_unknown_keys():
    def objects(schema, path):
        if schema.get("type") == "object":
            yield path, schema
        for key, part in schema.get("properties", {}).items():
            yield from objects(part, f"{path}.{key}")

    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    found = list(objects(schema, "config"))
    assert len(found) > 8
    open_ones = [path for path, part in found if part.get("additionalProperties", True) is True]
    assert open_ones == []


def test_every_key_of_the_schema_is_documented_beside_its_default():
    lines = (ROOT / "config.yaml").read_text(encoding="utf-8").splitlines()
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    for name, part in schema["properties"].items():
        start = next(i for i, line in enumerate(lines) if line.startswith(f"{name}:"))
        for key in part.get("properties", ()):
            at = next(i for i in range(start, len(lines)) if lines[i].startswith(f"  {key}:"))
            assert lines[at - 1].lstrip().startswith("#"), f"{name}.{key} stands without a comment above"


def test_plain_values_do_not_depend_on_the_order_of_keys():
    assert repr(plain({"b": {"d": 1, "c": (2,)}, "a": 1})) == repr(plain({"a": 1, "b": {"c": [2], "d": 1}}))
