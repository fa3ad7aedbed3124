from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from logship.model import Document, Refusal, action_head
from logship.sinks.elasticsearch.known_conflicts import Conflict, suspects
from logship.sinks.elasticsearch.rescue import Rescuer, Step

OBJECTS, DOTTED, OTHERS = Conflict(True), Conflict(True, has_dots=True), Conflict(False)


def found(record: dict[str, Any], **conflicts: Conflict) -> list[bool]:
    """Whether *record* is found, as JSON is written tight, and with blanks."""
    head = action_head("a", b"seed", with_id=True)
    known = {"a": {name.replace("__", "."): one for name, one in conflicts.items()}}
    bodies = [orjson.dumps(record)[1:], json.dumps(record).encode()[1:]]
    positions = suspects([head] * 2, bodies, known)
    return [position in positions for position in range(2)]


@pytest.mark.parametrize(
    ("record", "conflicts", "expected"),
    [
        ({"s": {"x": 1}}, {"s": OBJECTS}, True),
        ({"s": "x"}, {"s": OBJECTS}, False),
        ({"s": None}, {"s": OBJECTS}, False),
        ({"o": {"s": {"x": 1}}}, {"s": OBJECTS}, False),
        ({"o": {"s": {"x": 1}}}, {"o__s": OBJECTS}, True),
        ({"o.s": {"x": 1}}, {"o__s": OBJECTS}, True),
        ({"s.x": 1}, {"s": DOTTED}, True),
        ({"o": {"s.x": 1}}, {"o__s": DOTTED}, True),
        ({"message": '"s":{ no "s": { s.x'}, {"s": DOTTED}, False),
        ({"s": "x"}, {"s": OTHERS}, True),
        ({"s": 1}, {"s": OTHERS}, True),
        ({"s": {"x": 1}}, {"s": OTHERS}, False),
        ({"t": "x"}, {"s": OTHERS}, False),
        ({"s": {"x": 1}, "t": 1}, {"t": OTHERS, "s": OTHERS}, True),
        ({"s": 1}, {"a": OBJECTS, "b": OBJECTS, "c": OBJECTS, "s": OTHERS}, True),
        ({"s": {"x": 1}}, {"a": OBJECTS, "b": OBJECTS, "c": OBJECTS, "s": OTHERS}, False),
    ],
)
def test_what_is_known_to_be_refused_is_found(
    record: dict[str, Any], conflicts: dict[str, Conflict], expected: bool
) -> None:
    """Objects where none may be, and anything else where objects must, in either spelling."""
    assert found(record, **conflicts) == [expected] * 2


def test_arrays_of_objects() -> None:
    """An array with objects is refused like an object; written tight it is seen ahead."""
    assert found({"s": [{"x": 1}]}, s=OBJECTS)[0]


def test_other_indices_are_left_alone() -> None:
    """What one index refuses, another may take."""
    heads = [action_head(index, b"seed", with_id=True) for index in ("a", "b", "a")]
    bodies = [b'"s":{"x":1}}'] * 3
    assert suspects(heads, bodies, {"a": {"s": OBJECTS}}) == [0, 2]


@pytest.mark.parametrize(
    ("reason", "first", "later", "kept"),
    [
        (
            "[1:5] failed to parse field [s] of type [keyword] in document with id 'x'",
            {"s": {"x": 1}},
            {"s": {"y": 2}},
            {"s": '{"y":2}'},
        ),
        (
            "[1:5] failed to parse field [s] of type [long] in document with id 'x'. "
            "Preview of field's value: '{x=2}'",
            {"s.x": 2},
            {"s.x": 3},
            {"s": '{"x":3}'},
        ),
        (
            "[1:20] object mapping for [s] tried to parse field [s] as object, "
            "but found a concrete value",
            {"s": "x"},
            {"s": 7},
            {"s": "7"},
        ),
    ],
)
def test_learned_from_one_refusal(
    reason: str, first: dict[str, Any], later: dict[str, Any], kept: dict[str, str]
) -> None:
    """After one refusal, with the server's own words, the next such document is changed ahead."""
    rescuer = Rescuer()
    heads, bodies = [action_head("a", b"", with_id=True)], [orjson.dumps(later)[1:]]
    assert rescuer.suspects(heads, bodies) == []
    refusal = Refusal(0, 400, "document_parsing_exception", reason)
    assert rescuer.rescue(Document("a", "1", orjson.dumps(first)), Step.AS_IT_WAS, [refusal])
    assert rescuer.suspects(heads, bodies) == [0]
    changed = rescuer.before(Document("a", "2", orjson.dumps({**later, "k": 1})))
    assert changed is not None
    assert orjson.loads(changed) == {"k": 1, "rescued": kept, "tags": ["mapping_rescued"]}
    assert rescuer.before(Document("a", "3", b'{"k":1}')) is None
    assert rescuer.before(Document("b", "4", orjson.dumps(later))) is None
