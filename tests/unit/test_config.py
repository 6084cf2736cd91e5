"""A wrong setting is named, with what is allowed and the nearest right key."""

import re
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from lunggtv.cohort.config import check_config, check_files, plain
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
        ("cache.spacing_mm", "Auto", ["cache.spacing_mm: is 'Auto'; allowed: auto or array with at least"]),
        ("train.patch_shape", [48, 160, 7], ["train.patch_shape.2: is 7", "integer at least 8 at most 1024"]),
        ("train.patch_shape", 48, ["train.patch_shape: is 48; allowed: auto or array with at least"]),
        ("data.image", "data.nii.gz", ["data.image", "matching", "patient"]),
        ("evaluate.tolerances_mm", [2, 2], ["evaluate.tolerances_mm", "without repetition"]),
        ("train.optimiser", "adam", ["train.optimiser: is 'adam'; allowed: sgd, adamw"]),
    ],
)
def test_a_wrong_value_names_the_key_the_value_and_what_is_allowed(path, value, words):
    text = message(changed(path, value))
    assert all(word in text for word in words), text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True])
def test_a_number_is_finite(value):
    assert "infer.threshold: is" in message(changed("infer.threshold", value))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"train.steps": 20}, "write train: {steps: ...}, on the command line --config 'train={steps: ...}'"),
        ({"train": SHIPPED["train"] | {"network.width": 2}}, "write train: {network: {width: ...}}"),
    ],
)
def test_a_dot_between_section_and_key_is_told_how_to_be_written(config, words):
    assert words in message(SHIPPED | config)


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


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("data.exclude", "{010: wrong scan}"),
        ("data.exclude", "{1_0: wrong scan}"),
        ("data.exclude", '{"7": wrong scan, 8: lost}'),
        ("data.exclude", "{2024-01-01: wrong scan}"),
        ("data.exclude", "{yes: wrong scan}"),
        ("data.exclude", "{1:30: wrong scan}"),
        ("data.exclude", "{1e3: 1.5, 1.0: x}"),
        ("data.exclude", "{~: wrong scan}"),
        ("data.series", "{7: s1a2b3c4d}"),
        ("evaluate.compare", "{2024: masks}"),
    ],
)
def test_a_key_that_is_no_text_is_never_taken_for_an_id(path, written):
    text = message(changed(path, yaml.safe_load(written)))
    assert f"{path}: the key" in text
    assert "quotes" in text


def test_keys_of_all_kinds_are_named_together():
    text = message({**SHIPPED, 7: 1, None: 2, "data": {**SHIPPED["data"], "exclude": {8: "x"}}})
    assert "the whole file: the key 7" in text and "the whole file: the key None" in text
    assert "data.exclude: the key 8" in text


def test_ids_in_quotes_are_texts():
    check_config(
        changed("data.exclude", yaml.safe_load('{"010": wrong scan, "1_0": lost, 08: no octal}')), SCHEMA
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("data: {labelled: a}\nfolds: {count: 3}\ndata: {exclude: {}}\n", "data"),
        ('data:\n  exclude: {"7": lost}\n  exclude: {"8": lost}\n', "data.exclude"),
        ('{"data": {"exclude": {"7": "a", "7": "b"}}}', "7"),
        ('{"data": {"exclude": {"\\ud83d\\ude00": "a", "\\/": "b"}}, "data": {}}', "data"),
    ],
)
def test_a_key_that_stands_twice_is_named(tmp_path, text, key):
    """YAML would take the last: an exclusion further up in the file would be lost without a word."""
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"own\.yaml: {re.escape(key)} stands twice"):
        check_files([ROOT / "config.yaml", tmp_path / "own.yaml"])


def test_files_without_repetition_pass(tmp_path):
    (tmp_path / "empty.yaml").write_text("", encoding="utf-8")
    (tmp_path / "same.yaml").write_text(
        "data: {exclude: {a: x}}\nevaluate: {compare: {a: x}}\n", encoding="utf-8"
    )
    check_files([ROOT / "config.yaml", tmp_path / "empty.yaml", tmp_path / "same.yaml"])


def test_settings_that_hold_themselves_end_in_words(tmp_path):
    (tmp_path / "ring.yaml").write_text("data: &x {exclude: *x}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds itself"):
        check_files([tmp_path / "ring.yaml"])
