"""Finds documents that an index is known to refuse, before they are sent. Pure.

Hot where an index has known conflicts: a look at the bytes tells which documents may have one
(``python -m tests.bench.rescue``), and only those are parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

__all__ = ["Conflict", "conflicting", "elements", "suspects", "values_of"]

# Of more names every document is parsed: that costs as much as looking for three.
MOST_NAMES = 3


class Conflict(NamedTuple):
    """What an index refuses in one field.

    Attributes:
        refuses_objects: Objects, or else anything that is none.
        has_dots: Objects were met as keys with dots below the field.
    """

    refuses_objects: bool
    has_dots: bool = False


def suspects(
    heads: Sequence[bytes], bodies: Sequence[bytes], known: Mapping[str, Mapping[str, Conflict]]
) -> list[int]:
    """Return the positions of documents that their index is known to refuse.

    Args:
        heads: Action lines up to the id, as in :class:`logship.model.Documents`.
        bodies: What follows of each JSON object.
        known: Index → field with dots → what is refused there.
    """
    found: list[int] = []
    for head in set(heads):
        conflicts = known.get(_index_of(head))
        if not conflicts:
            continue
        positions: Sequence[int] = range(len(bodies))
        if all(one.refuses_objects and not one.has_dots for one in conflicts.values()):
            positions = [i for i, body in enumerate(bodies) if b"{" in body]
        may_conflict = _byte_test(tuple(conflicts.items()))
        positions = [i for i in positions if may_conflict(bodies[i]) and heads[i] == head]
        found += [i for i in positions if conflicting(_parsed(bodies[i]), conflicts)]
    return sorted(found)


def values_of(fields: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Yield the values of a field, spelled with dots or objects; of arrays each element."""
    for key in fields:
        if key == name:
            yield from elements(fields[key])
        elif key.startswith(f"{name}."):
            yield {key[len(name) + 1 :]: fields[key]}
    for position, character in enumerate(name):
        if character == "." and name[:position] in fields:
            for one in elements(fields[name[:position]]):
                if isinstance(one, dict):
                    yield from values_of(one, name[position + 1 :])


def elements(value: Any) -> Iterator[Any]:
    """Yield *value*, or of an array every value in it, however deep."""
    if isinstance(value, list):
        for one in value:
            yield from elements(one)
    else:
        yield value


def conflicting(fields: Mapping[str, Any], conflicts: Mapping[str, Conflict]) -> list[str]:
    """Return the names of the fields that are refused."""
    return [
        name
        for name, conflict in conflicts.items()
        if any(
            value is not None and isinstance(value, dict) is conflict.refuses_objects
            for value in values_of(fields, name)
        )
    ]


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(b"{" + body)
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}


@lru_cache(64)
def _byte_test(conflicts: tuple[tuple[str, Conflict], ...]) -> Callable[[bytes], bool]:
    """Return what tells of a body whether it may have a conflict, as JSON is usually spaced.

    What is spaced otherwise is found when it is refused.
    """
    if len(conflicts) > MOST_NAMES:
        return lambda body: True
    tests = [
        _has_object(name, conflict.has_dots) if conflict.refuses_objects else _has_other(name)
        for name, conflict in conflicts
    ]
    if len(tests) == 1:
        return tests[0]
    return lambda body: any(test(body) for test in tests)


def _has_object(name: str, has_dots: bool) -> Callable[[bytes], bool]:
    end = orjson.dumps(name.rpartition(".")[2])[1:-1]
    tight, wide, many = end + b'":{', end + b'": {', end + b'":[{'
    if has_dots:
        dots = end + b"."
        return lambda body: tight in body or wide in body or many in body or dots in body
    return lambda body: tight in body or wide in body or many in body


def _has_other(name: str) -> Callable[[bytes], bool]:
    end = orjson.dumps(name.rpartition(".")[2])[1:-1]
    key, tight, wide = end + b'":', end + b'":{', end + b'": {'
    return lambda body: key in body and tight not in body and wide not in body


@lru_cache(1024)
def _index_of(head: bytes) -> str:
    index: str = orjson.loads(head + b'"}}')["create"]["_index"]
    return index
