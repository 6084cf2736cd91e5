"""Settings: checked strictly before anything runs, and handed to a stage as plain, sorted values."""

import difflib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from lunggtv.errors import ConfigError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# YAML's .nan lies in every range, since it is neither below nor above anything.
FiniteNumbers = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "number", lambda checker, value: checker.is_type(value, "integer") or _is_finite(value)
    ),
)


def check_config(config: Mapping[str, Any], schema_path: str | Path) -> None:
    """Raise ConfigError naming every wrong key, what is allowed there, and the nearest right key."""
    # YAML reads 010 as the number 8 and 1_0 as 10: an id that lost its quotes would stand for somebody else.
    lines = [_unquoted(place, key) for place, key in _keys_not_text(config)]
    if not lines:
        schema = FiniteNumbers(read_schema(schema_path))
        errors = sorted(schema.iter_errors(config), key=lambda e: list(map(str, e.path)))
        lines = [line for error in errors for line in _explain(error)]
    if lines:
        raise ConfigError("The configuration has errors:\n" + "\n".join(f"  {line}" for line in lines))


def read_schema(path: str | Path) -> dict[str, Any]:
    """The schema of the settings."""
    return yaml.load(Path(path).read_text(encoding="utf-8"), LOADER)


def check_files(paths: Iterable[str | Path]) -> None:
    """Raise ConfigError if a key stands twice in one place of a file: YAML takes the last, the first is lost."""
    lines = [
        f"{path}: {key} stands twice; join the two" for path in paths for key in _repeated_keys(Path(path))
    ]
    if lines:
        raise ConfigError("The configuration has errors:\n" + "\n".join(f"  {line}" for line in lines))


def plain(value: Any) -> Any:
    """Plain types with dictionaries sorted by key, at every level: equal settings then print equal."""
    if isinstance(value, Mapping):
        return {str(key): plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _keys_not_text(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Keys at any depth that are no text, each with the place of its mapping."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            if not isinstance(key, str):
                yield place, key
            yield from _keys_not_text(below, _join(place, str(key)))


def _unquoted(place: str, key: Any) -> str:
    return (
        f"{place or 'the whole file'}: the key {key!r} is no text but what YAML makes of an id or name without quotes "
        "(010 becomes 8, 1_0 becomes 10, yes becomes True). Put it in quotes as it is written on the disk, such as "
        '"010".'
    )


def _repeated_keys(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    found: list[str] = []
    try:
        # As Snakemake reads settings: JSON, and what is no JSON as YAML.
        json.loads(
            text, object_pairs_hook=lambda pairs: found.extend(_more_than_once(key for key, _ in pairs))
        )
        return found
    except ValueError:
        found.clear()
    try:
        node = yaml.compose(text, LOADER)
        return list(_twice(node))
    except RecursionError:
        raise ConfigError(
            f"{path}: a part of the settings holds itself (an anchor, &, within its own part)."
        ) from None


def _more_than_once(keys: Iterable[str]) -> list[str]:
    return [key for key, count in Counter(keys).items() if count > 1]


def _twice(node: yaml.Node | None, place: str = "") -> Iterator[str]:
    """Keys that a mapping below a node has twice, with their places."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for key, below in node.value:
        name = _join(place, str(key.value))
        if name in seen:
            yield name
        seen.add(name)
        yield from _twice(below, name)


def _explain(error: ValidationError) -> list[str]:
    place = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties" and error.validator_value is False:
        known = sorted(error.schema["properties"])
        unknown = sorted(set(error.instance) - set(known))
        return [_unknown_key(place, key, known) for key in unknown]
    if error.validator == "required":
        missing = sorted(set(error.validator_value) - set(error.instance))
        return [f"{_join(place, key)}: is missing" for key in missing]
    return [f"{place or 'the whole file'}: is {error.instance!r}; {_allowed(error)}"]


def _unknown_key(place: str, key: str, known: Sequence[str]) -> str:
    if "." in str(key) and str(key).split(".")[0] in known:
        return _dotted(_join(place, str(key)))
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
    hint = f"did you mean {_join(place, near[0])}?" if near else f"allowed here: {', '.join(known)}"
    return f"{_join(place, key)}: no such key; {hint}"


def _dotted(path: str) -> str:
    section, *inner = path.split(".")
    nested = "".join(f"{{{part}: " for part in inner) + "..." + "}" * len(inner)
    return (
        f"{path}: a dot leads into no section; write {section}: {nested}, on the command line "
        f"--config '{section}={nested}'"
    )


def _allowed(error: ValidationError) -> str:
    """What the schema allows where a value failed, in words."""
    schema = error.schema
    if error.validator == "enum":
        return f"allowed: {', '.join(map(str, error.validator_value))}"
    words = []
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if {"string", "array"} <= set(types):
            # The text is one word; the bounds are those of the array.
            schema = {**schema, "pattern": None}
            types = [error.schema["pattern"].strip("^$") if kind == "string" else kind for kind in types]
        words.append(" or ".join(types))
    bounds = {
        "minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most",
        "exclusiveMaximum": "below", "minItems": "with at least this many values:",
        "maxItems": "with at most this many values:", "minLength": "with at least this many characters:",
        "pattern": "matching",
    }  # fmt: skip
    words += [f"{word} {schema[key]}" for key, word in bounds.items() if schema.get(key) is not None]
    if schema.get("uniqueItems"):
        words.append("without repetition")
    return f"allowed: {' '.join(words)}" if words else error.message


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else str(key)
