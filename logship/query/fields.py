"""Finds the values of a field in a record, flat or nested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["values_of"]


def values_of(record: Mapping[str, Any], field: str) -> list[Any]:
    """Return what *record* has under *field*; empty when it has nothing but nulls there.

    ``a.b`` is looked for as a key of that name, then as ``b`` inside ``a``, at every dot.
    Lists are flattened, and a list of objects gives the values of all of them. An object
    that is itself under *field* is one value.
    """
    if field in record:
        found: list[Any] = []
        _flatten(record[field], found)
        return found
    dot = field.find(".")
    while dot > 0:
        inner = record.get(field[:dot])
        if isinstance(inner, Mapping):
            return values_of(inner, field[dot + 1 :])
        if isinstance(inner, list):
            rest = field[dot + 1 :]
            return [
                value for one in inner if isinstance(one, Mapping) for value in values_of(one, rest)
            ]
        dot = field.find(".", dot + 1)
    return []


def _flatten(value: Any, into: list[Any]) -> None:
    if isinstance(value, list | tuple):
        for one in value:
            _flatten(one, into)
    elif value is not None:
        into.append(value)
