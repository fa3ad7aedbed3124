"""What a refusal says is wrong with a document, read from the server's own words. Pure.

Source: replies of Elasticsearch 8.19 and 9.5, and of the servers of their family.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from logship.model import Refusal
from logship.sinks.elasticsearch.known_conflicts import elements

__all__ = ["blamed_shape", "blames_key_twice", "blames_mapping", "named_field"]

_BLAMING_TYPES = frozenset(
    (
        "document_parsing_exception",
        "mapper_parsing_exception",
        "strict_dynamic_mapping_exception",
    )
)
_DUPLICATE = re.compile(r"\bDuplicate field '")
_BLANK_NAME = re.compile(
    r"[Ff]ield name cannot (?:contain only (?:whitespace|dots)|be an empty string)"
    r"|field (?:name )?starting or ending with a \[\.\]"
)
_LONG_NAME = re.compile(
    r"^Field name \[(.*?)(?:\] is longer than the limit of \[(\d+)\]|…?$)", re.DOTALL
)
_MANY_OBJECTS = re.compile(r"number of nested documents has exceeded")
_DEPTH = re.compile(
    r"Limit of mapping depth \[\d+\] has been exceeded due to object field \[(.+?)\]"
)
_STRICT = re.compile(r"dynamic introduction of \[(.+?)\] within \[(.+?)\] is not allowed")
_LIMITS = re.compile(r"Limit of (?:total fields|mapping depth|nested|field name)|nested documents")
# What else names a field, and what it refuses there: an object, a value that is none, or (None)
# what only this document holds.
_WORDINGS: tuple[tuple[re.Pattern[str], bool | None], ...] = (
    (re.compile(r"object mapping for \[(.+?)\] tried to parse field "), False),
    (re.compile(r"Existing mapping for \[(.+?)\] must be of type object but found"), True),
    (re.compile(r"failed to parse field \[(.+?)\] of type \["), None),
    (re.compile(r"immense term in field=\"(.+?)\""), None),
    (re.compile(r"[Ff]lattened field \[(.+?)\] contains"), None),
    (re.compile(r"mapper \[(.+?)\] (?:of different type|cannot be changed)"), None),
    (re.compile(r"can't merge a non[ -]\w+ mapping \[(.+?)\]"), None),
    (re.compile(r"Cannot write to a field alias \[(.+?)\]"), None),
    (re.compile(r"The \[dense_vector\] field \[(.+?)\] in doc "), None),
)


def blames_mapping(refusal: Refusal) -> bool:
    """Whether a document was refused for what its fields hold, or are called."""
    if refusal.status != 400:
        return False
    if refusal.type in _BLAMING_TYPES:
        return True
    reason = refusal.reason
    return refusal.type in (
        "illegal_argument_exception",
        "max_bytes_length_exceeded_exception",
    ) and bool(named_field(reason)[0] or _LIMITS.search(reason) or blamed_shape(reason))


def blames_key_twice(reason: str) -> bool:
    """Whether a key that an object has more than once was refused."""
    return bool(_DUPLICATE.search(reason))


def named_field(reason: str) -> tuple[str, bool | None]:
    """Return the field that *reason* blames, with dots, and what is refused there.

    Returns:
        (field, whether objects are refused there or anything else; None: this one value).
        An empty field: the reason names none.
    """
    if found := _DEPTH.search(reason):
        return found[1].split(".")[0], None
    if found := _STRICT.search(reason):
        return found[1] if found[2] == "_doc" else f"{found[2]}.{found[1]}", None
    for wording, refuses_objects in _WORDINGS:
        if found := wording.search(reason):
            return found[1], refuses_objects
    return "", None


def blamed_shape(reason: str) -> Callable[[str, Any], bool] | None:
    """Return what tells of a field, by name and value, whether it is as *reason* blames.

    None where the reason blames no shape that any field may have.
    """
    if _BLANK_NAME.search(reason):
        return lambda key, value: _any_name(key, value, _is_blank)
    if found := _LONG_NAME.search(reason):
        # Cut short, the reason does not tell the limit, but that this is beyond it.
        most = int(found[2]) if found[2] else _length(found[1]) - 1
        return lambda key, value: _any_name(key, value, lambda name: _length(name) > most)
    if _MANY_OBJECTS.search(reason):
        return lambda key, value: _has_objects_in_array(value)
    return None


def _any_name(key: str, value: Any, test: Callable[[str], bool]) -> bool:
    """Whether *test* holds for a part of the field's name, or of any below it."""
    return any(test(part) for part in key.split(".")) or any(
        _any_name(below, inner, test)
        for one in elements(value)
        if isinstance(one, dict)
        for below, inner in one.items()
    )


def _is_blank(name: str) -> bool:
    return not name.strip()


def _length(name: str) -> int:
    """Characters as Java counts them."""
    return len(name.encode("utf-16-le", "surrogatepass")) // 2


def _has_objects_in_array(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_objects_in_array, value.values()))
    return isinstance(value, list) and any(isinstance(one, dict) for one in elements(value))
