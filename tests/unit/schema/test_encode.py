from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logship.schema.encode import as_text, encode_record, safe_text


class Float(float):
    """As numpy's are: a float that the encoder does not know."""


class Whole(int):
    """A number with a name."""


class Text(str):
    """A text with a name."""


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class Silent:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def released() -> memoryview:
    view = memoryview(b"a")
    view.release()
    return view


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("é", "é"),
        ("\ud800", "?"),
        (float("nan"), None),
        (float("-inf"), None),
        (2**63 - 1, 2**63 - 1),
        (2**64 - 1, 2**64 - 1),
        (2**64, "18446744073709551616"),
        (-(2**63) - 1, "-9223372036854775809"),
        (Float(1.5), 1.5),
        (Whole(3), 3),
        (Text("a"), "a"),
        (True, True),
        (Decimal("1.10"), "1.10"),
        (datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21T00:00:00+00:00"),
        (Colour.RED, "red"),
        (Point(1), {"x": 1}),
        (b"\xc3\xa9\xff", "é\ufffd"),
        (bytearray(b"a"), "a"),
        (memoryview(b"abcd")[::2], "ac"),
        ({"a"}, ["a"]),
        (frozenset({1}), [1]),
        ((1, (2,)), [1, [2]]),
        (Silent(), "<Silent whose str() raised RuntimeError>"),
        ({1: "a", None: "b", 2.5: "c"}, {"1": "a", "null": "b", "2.5": "c"}),
        ({"\udfff": 1}, {"?": 1}),
    ],
)
def test_values(value: object, expected: object) -> None:
    """What JSON cannot carry becomes text, and what it can is left alone."""
    assert orjson.loads(encode_record({"v": value})) == {"v": expected}


def test_number_that_is_too_long_for_decimal_digits() -> None:
    """Python turns no longer number into digits; it is written in hexadecimal."""
    assert orjson.loads(encode_record({"v": 10**5000})) == {"v": hex(10**5000)}


@pytest.mark.parametrize("beside", [2**70, "\ud800", Silent()])
@pytest.mark.parametrize("value", [Float(1.5), Whole(3), Text("a"), {1, 2}, released()])
def test_odd_values_beside_each_other(value: object, beside: object) -> None:
    """What makes one value hard does not make another one fail."""
    found = orjson.loads(encode_record({"v": value, "w": beside, "n": [value]}))
    assert found["n"] == [found["v"]]


def test_what_contains_itself() -> None:
    """A cycle ends where it begins again."""
    record: dict[str, Any] = {"a": 1}
    record["self"] = record
    record["list"] = [record]
    assert orjson.loads(encode_record(record)) == {"a": 1, "self": "…", "list": ["…"]}


@pytest.mark.parametrize("depth", [10, 200, 300, 5000])
def test_depth(depth: int) -> None:
    """However deeply something is nested, it becomes a line of JSON."""
    value: Any = "core"
    for _ in range(depth):
        value = [value]
    found = json.loads(encode_record({"v": value}))
    assert depth > 254 or found == {"v": value}


@pytest.mark.parametrize("depth", [300, 800])
def test_nothing_of_what_is_deep_is_lost(depth: int) -> None:
    """What stands at the bottom is found in the text that stands for it, as are its neighbours."""
    value: Any = {"core": "x" * 3000, "odd\ud800": 2**70}
    for _ in range(depth):
        value = {"a": value, "b": "é"}
    found = json.loads(encode_record({"v": value}))
    for _ in range(19):
        found = found.popitem()[1] if "v" in found else found["a"]
    levels = json.loads(found["a"])
    count = 19
    while "a" in levels:
        levels, count = levels["a"], count + 1
    assert (levels, count) == ({"core": "x" * 3000, "odd?": 2**70}, depth)


def test_containers_that_are_none() -> None:
    """A class that only looks like a dict or a list costs itself, and nothing beside it."""

    class Dict(dict[str, int]):
        def items(self) -> Any:
            raise RuntimeError

    class List(list[int]):
        def __iter__(self) -> Any:
            raise RuntimeError

    found = orjson.loads(encode_record({"a": Dict(x=1), "b": List([1]), "big": 2**70}))
    assert found == {"a": "{'x': 1}", "b": "[1]", "big": str(2**70)}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.decimals()
    | st.dates(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(st.characters()) | st.integers() | st.none(), inner)
    ),
    max_leaves=5,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(st.characters()), values, max_size=4))
def test_one_line_of_json(record: dict[str, Any]) -> None:
    """Any record is one line of valid UTF-8 JSON."""
    line = encode_record(record)
    assert b"\n" not in line
    assert isinstance(orjson.loads(line), dict)


@settings(max_examples=50, deadline=None)
@given(values)
def test_as_text(value: object) -> None:
    """Text is as it is, anything else as JSON."""
    text = as_text(value)
    assert text is value if isinstance(value, str) else json.loads(text) is not ...


def test_safe_text() -> None:
    """Objects say what they are, also when they cannot."""
    assert safe_text(1.5) == "1.5"
    assert safe_text("a\udcff") == "a?"
    assert safe_text(Silent()) == "<Silent whose str() raised RuntimeError>"
