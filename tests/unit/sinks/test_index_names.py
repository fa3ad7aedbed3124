from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import pytest

from logship.settings.model import IndexSettings
from logship.sinks.index_names import IndexNames, NameBound, wildcard

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


def test_fields_by_the_names_of_ecs() -> None:
    """Records are flat where they are named, and either spelling of a field is found."""
    assert name_of("{service.name}-%Y", {"service": "api"}) == "api-2026"
    assert name_of("{user.id}-%Y", {"user_id": "a", "user": {"id": "b"}}) == "b-2026"


@pytest.mark.parametrize("values", [("a-.b", "c"), ("a", "b-.c-d"), ("a-b", "c_-_d"), ("x", "y")])
def test_values_that_hold_what_parts_them(values: tuple[str, str]) -> None:
    """Whichever way a name is taken apart, it is one that the pattern produces."""
    names = IndexNames("{a}-{b}-%Y")
    name = names.name(TIME[:10], dict(zip("ab", values, strict=True)))
    assert names.period(name) is not None


def test_names_are_never_too_long() -> None:
    """Several long values share the 255 bytes that a name may have, and are read back."""
    names = IndexNames("{a}-{b}-{c}-logs-%Y.%m.%d-%H")
    name = names.name(TIME[:16], dict.fromkeys("abc", "é-" * 90))
    assert 200 < len(name.encode()) <= 255
    assert names.period(name) is not None
    assert name.endswith("-logs-2026.01.01-00")


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
        ("logs-%Y.%m.%d", "logs-2*.*.*"),
        ("logs-%{+yyyy.MM.dd}", "logs-2*.*.*"),
        ("{service}-%Y%m", "*-2*"),
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


@pytest.mark.parametrize(
    ("pattern", "index", "text", "hours"),
    [
        ("logs-%Y.%m.%d", "logs-2026.11.21", "2026-11-21", 24),
        ("logs-%{+yyyy.MM.dd}", "logs-2026.11.21", "2026-11-21", 24),
        ("logs-%y%j", "logs-26325", "2026-11-21", 24),
        ("logs-%Y.%m", "logs-2026.12", "2026-12", 31 * 24),
        ("logs-%Y", "logs-2028", "2028", 366 * 24),
        ("logs-%G.%V", "logs-2026.53", "2026-W53", 7 * 24),
        ("logs-%Y.%m.%d-%H", "logs-2026.11.21-23", "2026-11-21T23", 1),
        ("{service}-logs-%Y.%m.%d", "a-b.c-logs-2026.11.21", "2026-11-21", 24),
        ("{service}-logs-%Y.%m.%d", "unknown-logs-2026.11.21", "2026-11-21", 24),
        ("a-%d-%Y-%m-%d", "a-21-2026-11-21", "2026-11-21", 24),
    ],
)
def test_period_of_a_name(pattern: str, index: str, text: str, hours: int) -> None:
    """A name is read back to the time that it stands for."""
    period = IndexNames(pattern).period(index)
    assert period is not None
    assert period.text == text
    assert (period.end - period.start).total_seconds() == hours * 3600


def test_period_in_another_zone() -> None:
    """A day begins at the midnight of the settings' zone, and may have 25 hours."""
    period = IndexNames("logs-%Y.%m.%d", "Europe/Berlin").period("logs-2026.10.25")
    assert period is not None
    assert period.start.astimezone(UTC).isoformat() == "2026-10-24T22:00:00+00:00"
    assert period.end.astimezone(UTC).isoformat() == "2026-10-25T23:00:00+00:00"


def test_hour_that_comes_twice() -> None:
    """Where clocks go back, an hourly index covers both hours of that name."""
    period = IndexNames("logs-%Y.%m.%d-%H", "Europe/Berlin").period("logs-2026.10.25-02")
    assert period is not None
    assert period.end.astimezone(UTC) - period.start.astimezone(UTC) == timedelta(hours=2)


@pytest.mark.parametrize(
    ("pattern", "index"),
    [
        ("logs-%Y.%m.%d", "logs-2026.11.21-reindexed"),
        ("logs-%Y.%m.%d", "my-logs-2026.11.21"),
        ("logs-%Y.%m.%d", "logs-2026.02.30"),
        ("logs-%Y.%m.%d", "logs-2026.13.01"),
        ("logs-%Y.%m.%d", "logs-2026.1.1"),
        ("logs-%Y.%m.%d", "logs-2026-11-21"),
        ("logs-%Y.%m.%d", "logs-20x6.11.21"),
        ("logs-%Y.%m.%d", "logs-٢٠٢٦.11.21"),
        ("logs-%Y.%m.%d", ".ds-logs-2026.11.21-000001"),
        ("logs-%Y.%m.%d", "logs-2026.11.21\n"),
        ("a-%d-%Y-%m-%d", "a-20-2026-11-21"),
        ("logs-%G.%V", "logs-2026.54"),
        ("logs-%Y%j", "logs-2026366"),
        ("{service}-logs-%Y", "-a-logs-2026"),
        ("{service}-logs-%Y", "a_-logs-2026"),
        ("{service}-logs-%Y", "-logs-2026"),
        ("{service}-logs-%Y", f"{'a' * 101}-logs-2026"),
        ("logs", "logs"),
        ("logs-%d", "logs-21"),
    ],
)
def test_names_that_are_not_ours(pattern: str, index: str) -> None:
    """What the pattern cannot produce, or what tells no age, has no period."""
    assert IndexNames(pattern).period(index) is None


@pytest.mark.parametrize("pattern", ["logs-%Y.%m.%d", "{service}-logs-%G.%V", "x-{a.b}-%y%j-%H"])
@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "Pacific/Kiritimati"])
def test_every_name_has_its_period(pattern: str, timezone: str) -> None:
    """What is named by a time lies in the period that is read back."""
    names = IndexNames(pattern, timezone)
    record = {"service": "My API!", "a": {"b": "x-logs-2020"}}
    for day in range(1, 29):
        moment = datetime(2026, 10, day, 23, 59, tzinfo=UTC) + timedelta(days=day * 31)
        key = moment.isoformat()[: names.key_length]
        period = names.period(names.name(key, record))
        assert period is not None
        assert period.start <= datetime.fromisoformat(key).replace(tzinfo=UTC) < period.end


def test_a_data_stream_has_one_name() -> None:
    """It goes before the pattern of names."""
    names = IndexNames.of(IndexSettings(data_stream="logs-app-default"))
    assert names.name("2026-11-21") == "logs-app-default"
    assert names.has_fields is False


def test_number_of_names_is_bounded() -> None:
    """Names beyond the bound are not let through; days of one name count once."""
    names = IndexNames("{service}-%Y.%m.%d")
    bound = NameBound(names, 2)
    assert bound.lets("a-2026.11.20")
    assert bound.lets("a-2026.11.21")
    assert bound.lets("b-2026.11.21")
    assert not bound.lets("c-2026.11.21")
    assert bound.lets("a-2026.11.22")
    assert not bound.lets("c-2026.11.22")
