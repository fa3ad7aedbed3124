from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

from logship.sinks.index_names import IndexNames, wildcard

TIME = "2026-01-01T00:30:00Z"


def name_of(
    pattern: str, record: dict[str, Any] | None = None, *, time: str = TIME, timezone: str = "UTC"
) -> str:
    names = IndexNames(pattern, timezone)
    return names.name(time[: names.key_length], record)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("logs-%Y.%m.%d", "logs-2026.01.01"),
        ("logs-%{+yyyy.MM.dd}", "logs-2026.01.01"),
        ("logs-%{+xxxx.ww}", "logs-2026.01"),
        ("logs-%G.%V", "logs-2026.01"),
        ("logs-%y%j-%H", "logs-26001-00"),
        ("logs-%{+yyyy.MM.dd.HH}", "logs-2026.01.01.00"),
        ("logs", "logs"),
    ],
)
def test_names_by_time(pattern: str, name: str) -> None:
    """Dates are those of the record's own time, in either notation."""
    assert name_of(pattern) == name


@pytest.mark.parametrize(
    ("timezone", "name"),
    [
        ("Europe/Berlin", "logs-2026.01.01"),
        ("America/New_York", "logs-2025.12.31"),
        ("Asia/Kolkata", "logs-2026.01.01"),
        ("Pacific/Kiritimati", "logs-2026.01.01"),
    ],
)
def test_whose_midnight(timezone: str, name: str) -> None:
    """The day is that of the time zone in the settings."""
    assert name_of("logs-%Y.%m.%d", timezone=timezone) == name


@pytest.mark.parametrize(
    ("record", "part"),
    [
        ({"service": "api"}, "api"),
        ({"service": "My API"}, "my-api"),
        ({"service": 'a/b\\c*d?e"f<g>h|i,j#k:l'}, "a-b-c-d-e-f-g-h-i-j-k-l"),
        ({"service": "a\n\0\tb"}, "a-b"),
        ({"service": "--..__++x--"}, "x"),
        ({"service": "{x}%Y{}"}, "{x}%y{}"),
        ({"service": ""}, "unknown"),
        ({"service": "..."}, "unknown"),
        ({"service": None}, "unknown"),
        ({"service": {"a": 1}}, "unknown"),
        ({"service": ["a"]}, "unknown"),
        ({}, "unknown"),
        ({"service": True}, "true"),
        ({"service": 1}, "1"),
        ({"service": "é" * 60}, "é" * 50),
        ({"service": "\ud800a"}, "a"),
    ],
)
def test_names_by_fields(record: dict[str, Any], part: str) -> None:
    """Whatever a field holds becomes part of a name that Elasticsearch accepts."""
    assert name_of("{service}-logs-%Y", record) == f"{part}-logs-2026"


def test_values_that_are_equal_but_not_the_same_are_told_apart() -> None:
    """What decides an index is its text: true, 1 and 1.0 are three names."""
    names = IndexNames("{n}-%Y")
    found = {names.values({"n": value}) for value in (True, 1, 1.0, "1")}
    assert found == {("True",), ("1",), ("1.0",)}


def test_fields_below_the_root() -> None:
    """A dotted field is found flat or nested."""
    assert name_of("{a.b}-%Y", {"a.b": "flat"}) == "flat-2026"
    assert name_of("{a.b}-%Y", {"a": {"b": "nested"}}) == "nested-2026"
    assert name_of("{a.b}-%Y", {"a": "text"}) == "unknown-2026"


def test_no_record_at_all() -> None:
    """Without a record every field is unknown."""
    assert name_of("{service}-%Y") == "unknown-2026"


@pytest.mark.parametrize(
    ("pattern", "timezone", "length"),
    [
        ("logs-%Y.%m.%d", "UTC", 10),
        ("logs", "UTC", 10),
        ("logs-%H", "UTC", 16),
        ("logs-%Y", "Asia/Kolkata", 16),
    ],
)
def test_as_much_of_the_time_as_decides(pattern: str, timezone: str, length: int) -> None:
    """A day decides daily names in UTC; a minute is needed for all others."""
    assert IndexNames(pattern, timezone).key_length == length


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("logs-%Y.%m.%d", "logs-*.*.*"),
        ("logs-%{+yyyy.MM.dd}", "logs-*.*.*"),
        ("{service}-%Y%m", "*-*"),
        ("logs", "logs"),
    ],
)
def test_wildcard_matches_every_name(pattern: str, expected: str) -> None:
    """The template's pattern captures what the names can be, and keeps what is fixed."""
    assert wildcard(pattern) == expected
    assert fnmatchcase(name_of(pattern, {"service": "api"}), expected)


def test_day_that_does_not_exist() -> None:
    """30 February has no index."""
    with pytest.raises(ValueError, match="day"):
        name_of("logs-%Y.%m.%d", time="2026-02-30T00:00:00Z")
