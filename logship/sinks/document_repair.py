"""Repairing documents that a mapping refuses: fields left out, or kept as text. Pure.

A field is named as in a query, with dots: ``http.response`` is that key, the key ``response`` of
the object ``http``, and every key that begins with ``http.response.``; to Elasticsearch they are
one. In arrays of objects every object is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

__all__ = ["repaired"]


def repaired(document: bytes, *, drop: Iterable[str] = (), as_text: Iterable[str] = ()) -> bytes:
    """Return a document without the fields *drop*, and with the fields *as_text* as text.

    Numbers and booleans become the text that they are in JSON, objects and arrays with objects
    their JSON; in other arrays each value becomes text. Texts and nulls stay.

    Args:
        document: A JSON object.

    Returns:
        *document* itself when it has none of the fields.
    """
    drop, as_text = tuple(drop), tuple(as_text)
    if not drop and not as_text:
        return document
    fields: dict[str, Any] = orjson.loads(document)
    changed = False
    for name in drop:
        changed |= _drop(fields, name)
    for name in as_text:
        changed |= _to_text(fields, name)
    return orjson.dumps(fields) if changed else document


def _drop(fields: dict[str, Any], name: str) -> bool:
    changed = False
    for key in [key for key in fields if key == name or key.startswith(f"{name}.")]:
        del fields[key]
        changed = True
    return _in_objects(fields, name, _drop) or changed


def _to_text(fields: dict[str, Any], name: str) -> bool:
    changed = False
    below = {key: fields[key] for key in fields if key.startswith(f"{name}.")}
    if below:
        for key in below:
            del fields[key]
        inner = {key[len(name) + 1 :]: value for key, value in below.items()}
        present = fields.get(name)
        if isinstance(present, dict):
            inner = {**present, **inner}
        elif present is not None:
            inner = {"": present, **inner}
        fields[name] = inner
    if name in fields:
        text = _text(fields[name])
        changed = bool(below) or text != fields[name]
        fields[name] = text
    return _in_objects(fields, name, _to_text) or changed


def _in_objects(
    fields: dict[str, Any], name: str, change: Callable[[dict[str, Any], str], bool]
) -> bool:
    """Do *change* in the objects under every beginning of *name*."""
    changed = False
    for position, character in enumerate(name):
        if character == ".":
            value = fields.get(name[:position])
            for one in value if isinstance(value, list) else (value,):
                if isinstance(one, dict):
                    changed |= change(one, name[position + 1 :])
    return changed


def _text(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and not any(isinstance(one, (dict, list)) for one in value):
        return [_text(one) for one in value]
    return orjson.dumps(value).decode()
