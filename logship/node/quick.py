"""The quick way to index a document: for those whose fields are all known and plain.

Nearly all documents are; the others go through ``documents.DocumentReader``.
"""

from __future__ import annotations

from typing import Any

from logship.node import jsontext
from logship.node.dates import iso_nanos
from logship.node.documents import TIME_FIELD, Indexed
from logship.node.fields import MAX_KEYWORD_BYTES, Field
from logship.node.mapping import Mapping, ObjectNode
from logship.node.values import flattened_leaves

_LONG = 2**63


class _Unusual(Exception):
    """The quick way does not do for this document."""


def quick(document: dict[str, Any], line: bytes, mapping: Mapping) -> Indexed | None:
    """Index a plain document; None when it needs the careful way.

    Hot: runs for every document of a bulk request.
    """
    result = Indexed()
    try:
        keys = _quick_object(document, mapping.root, result)
    except _Unusual:
        return None
    # Every key is followed by `":` in the text, so equal counts exclude a key given twice.
    if line.count(b'":') != keys or b'" :' in line or b'"\t:' in line:
        return None
    return result


def _quick_object(value: dict[str, Any], node: ObjectNode, result: Indexed) -> int:
    keys = len(value)
    quick_children = node.quick
    for key, below in value.items():
        child = quick_children.get(key)
        kind = type(below)
        if isinstance(child, Field):
            family = child.family
            if kind is str:
                if family == "text" or family == "keyword":
                    if len(below) > child.quick_characters:
                        _long_text(child, below, result)
                    result.texts.append(below)
                elif family == "date" and not child.needs_care:
                    time = _quick_time(below)
                    if key == TIME_FIELD and not node.path:
                        result.time = time
                else:
                    raise _Unusual
            elif kind is int:
                if family == "integer":
                    if child.needs_care or not -_LONG <= below < _LONG:
                        raise _Unusual
                elif family != "float":
                    raise _Unusual
            elif kind is float:
                if family != "float" or not -3e38 < below < 3e38:
                    raise _Unusual
            elif kind is bool:
                if family != "boolean":
                    raise _Unusual
            elif below is not None:
                keys += _quick_compound(child, below, result)
            elif child.type == "alias":
                raise _Unusual
        elif child is not None and kind is dict:
            keys += (
                _quick_object(below, child, result)
                if child.is_enabled
                else jsontext.count_keys(below)
            )
        elif child is None and node.dynamic == "false" and key.isidentifier() and key[0] != "_":
            keys += jsontext.count_keys(below)
        else:
            raise _Unusual
    return keys


def _quick_time(text: str) -> int:
    try:
        time = iso_nanos(text)
    except ValueError:
        raise _Unusual from None
    if not 0 <= time < _LONG:
        raise _Unusual
    return time


def _long_text(leaf: Field, text: str, result: Indexed) -> None:
    if len(text) > MAX_KEYWORD_BYTES // 4 or leaf.needs_care:
        raise _Unusual
    result.ignored.update(path for limit, path in leaf.ignored_above if len(text) > limit)


def _quick_compound(leaf: Field, value: Any, result: Indexed) -> int:
    """Lists of short texts, and objects in flattened fields."""
    if isinstance(value, list) and leaf.family in {"text", "keyword"}:
        for one in value:
            if type(one) is not str or len(one) > leaf.quick_characters:
                raise _Unusual
        result.texts.extend(value)
        return 0
    if isinstance(value, dict) and leaf.family == "flattened":
        result.texts.extend(text for _key, text in flattened_leaves(value))
        return jsontext.count_keys(value)
    raise _Unusual
