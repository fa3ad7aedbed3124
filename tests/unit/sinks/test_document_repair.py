"""Repairing documents: fields left out, or kept as text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from logship.sinks.document_repair import repaired


def fixed(document: dict[str, Any], **options: Any) -> Any:
    return json.loads(repaired(json.dumps(document).encode(), **options))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"a": 1, "b": 2}, {"b": 2}),
        ({"a": {"x": 1}, "a.y": 2, "ab": 3}, {"ab": 3}),
        ({"b": {"a": 1}}, {"b": {"a": 1}}),
    ],
)
def test_drop(document: dict[str, Any], expected: dict[str, Any]) -> None:
    """A field goes with all that lies below it, and no other does."""
    assert fixed(document, drop=["a"]) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"a.b": 1, "a.c": 2}, {"a.c": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}),
        ({"a": {"b.x": 1, "b": {"y": 1}}, "a.b.z": 2}, {"a": {}}),
        ({"a": [{"b": 1}, {"c": 2}, "text"]}, {"a": [{}, {"c": 2}, "text"]}),
        ({"a": "text"}, {"a": "text"}),
    ],
)
def test_drop_below(document: dict[str, Any], expected: dict[str, Any]) -> None:
    """A name with dots means every way to write that field, in arrays of objects, too."""
    assert fixed(document, drop=["a.b"]) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, "5"),
        (1.5, "1.5"),
        (True, "true"),
        (None, None),
        ("text", "text"),
        ([1, None, "x"], ["1", None, "x"]),
        ({"x": [1]}, '{"x":[1]}'),
        ([{"x": 1}, 2], '[{"x":1},2]'),
    ],
)
def test_as_text(value: Any, expected: Any) -> None:
    """Values become the text that they are in JSON; texts and nulls stay."""
    assert fixed({"a": value, "b": 1}, as_text=["a"]) == {"a": expected, "b": 1}
    assert fixed({"o": {"a": value}}, as_text=["o.a"]) == {"o": {"a": expected}}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"a.x": 1, "a.y": "z"}, {"a": '{"x":1,"y":"z"}'}),
        ({"a": {"x": 1}, "a.y": 2}, {"a": '{"x":1,"y":2}'}),
        ({"a": "scalar", "a.y": 2}, {"a": '{"":"scalar","y":2}'}),
    ],
)
def test_as_text_gathers_dotted_keys(document: dict[str, Any], expected: Any) -> None:
    """Keys that Elasticsearch would take for one object become one text; nothing is lost."""
    assert fixed(document, as_text=["a"]) == expected


@pytest.mark.parametrize("options", [{}, {"drop": ["z"]}, {"as_text": ["z", "b", "a.c"]}])
def test_untouched_bytes(options: dict[str, Any]) -> None:
    """A document without the fields stays as it is, byte for byte."""
    document = b'{ "a": 123456789012345678901234567890, "b": "text" }'
    assert repaired(document, **options) == document
