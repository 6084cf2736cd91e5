"""Frozen settings from a checked section of the configuration, the same way in every stage."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from lunggtv.errors import ConfigError


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


T = TypeVar("T", bound=Dataclass)


def settings_from(kind: type[T], section: Mapping[str, Any]) -> T:
    """The settings of a section that has exactly the fields of ``kind``.

    Args:
        kind: a frozen dataclass, not of postponed annotations. A field that is a dataclass itself takes a
            section of its own.
        section: plain values, whose types and ranges the schema has checked; lists become tuples.

    Raises:
        ConfigError: a key is unknown or missing, whether the field has a default or not.
    """
    kinds = {field.name: field.type for field in fields(kind)}
    wrong = [f"{key}: no such key" for key in section if key not in kinds]
    wrong += [f"{key}: is missing" for key in kinds if key not in section]
    if wrong:
        raise ConfigError(f"{kind.__name__}: {'; '.join(wrong)}")
    return kind(**{key: _value(kinds[key], value) for key, value in section.items()})


def _value(kind: Any, value: Any) -> Any:
    if isinstance(kind, type) and is_dataclass(kind):
        return settings_from(kind, value)
    if isinstance(value, list):
        return tuple(value)
    # JSON Schema takes 5.0 for a whole number.
    return int(value) if kind is int else value
