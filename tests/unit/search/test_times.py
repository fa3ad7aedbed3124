"""One grammar for times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from logship.errors import QueryError
from logship.search.times import format_time, parse_time, parse_zone, zone_name

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 12, 34, 56, 789000, tzinfo=UTC)  # 13:34 in Berlin


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-21T12:34:56.789Z"),
        ("15m", "2026-11-21T12:19:56.789Z"),
        ("-15m", "2026-11-21T12:19:56.789Z"),
        ("1h30m", "2026-11-21T11:04:56.789Z"),
        ("1.5h", "2026-11-21T11:04:56.789Z"),
        ("500ms", "2026-11-21T12:34:56.289Z"),
        ("2 hours ago", "2026-11-21T10:34:56.789Z"),
        ("1 Day 2 hours", "2026-11-20T10:34:56.789Z"),
        ("10min", "2026-11-21T12:24:56.789Z"),
        ("1w", "2026-11-14T12:34:56.789Z"),
        ("+10m", "2026-11-21T12:44:56.789Z"),
        ("today", "2026-11-20T23:00:00.000Z"),
        ("Yesterday", "2026-11-19T23:00:00.000Z"),
        ("yesterday 14:00", "2026-11-20T13:00:00.000Z"),
        ("today 23:30:15", "2026-11-21T22:30:15.000Z"),
        ("13:05", "2026-11-21T12:05:00.000Z"),
        ("13:05:06.5", "2026-11-21T12:05:06.500Z"),
        ("14:05", "2026-11-20T13:05:00.000Z"),
        ("9:00", "2026-11-21T08:00:00.000Z"),
        ("2026", "2025-12-31T23:00:00.000Z"),
        ("2026-11-21", "2026-11-20T23:00:00.000Z"),
        ("2026-07-01", "2026-06-30T22:00:00.000Z"),
        ("2026-11-21 10:05", "2026-11-21T09:05:00.000Z"),
        ("2026-11-21T10:05:06", "2026-11-21T09:05:06.000Z"),
        ("2026-11-21T10:05:06.123Z", "2026-11-21T10:05:06.123Z"),
        ("2026-11-21T10:05:06+05:30", "2026-11-21T04:35:06.000Z"),
        ("20261121T100506Z", "2026-11-21T10:05:06.000Z"),
        ("1795257000", "2026-11-21T10:30:00.000Z"),
        ("1795257000.25", "2026-11-21T10:30:00.250Z"),
        ("1795257000250", "2026-11-21T10:30:00.250Z"),
        ("now-1h", "2026-11-21T11:34:56.789Z"),
        ("now-1d/d", "2026-11-19T23:00:00.000Z"),
        ("now/h", "2026-11-21T12:00:00.000Z"),
        (" 15m ", "2026-11-21T12:19:56.789Z"),
    ],
)
def test_reads(text: str, expected: str) -> None:
    """Each form means the moment that the documentation says, in the given zone."""
    assert format_time(parse_time(text, now=NOW, zone=BERLIN)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "15",
        "15x",
        "--2h",
        "25:00",
        "12:60",
        "2026-13-01",
        "yesterday noon",
        "now-",
        "m",
        "999999999999w",
        "1M",
        "2026-02-30",
    ],
)
def test_no_times(text: str) -> None:
    """What is no time is refused, and the message says what to write."""
    with pytest.raises(QueryError, match="this is no time; write for example 15m"):
        parse_time(text, now=NOW, zone=BERLIN)


def test_an_hour_is_an_hour_when_clocks_change() -> None:
    """Distances count real time, clocks do not matter to them."""
    after = datetime(2026, 10, 25, 3, 0, tzinfo=BERLIN)
    assert after - parse_time("24h", now=after, zone=BERLIN).astimezone(UTC) == timedelta(hours=24)


def test_local_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a zone, this machine's counts, by the rules of the day in question."""
    monkeypatch.setenv("TZ", "America/New_York")
    assert format_time(parse_time("2026-07-01", now=NOW)) == "2026-07-01T04:00:00.000Z"
    assert format_time(parse_time("2026-12-01", now=NOW)) == "2026-12-01T05:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("utc", "+00:00"),
        ("Europe/Berlin", "Europe/Berlin"),
        ("+02:00", "+02:00"),
        ("-0530", "-05:30"),
    ],
)
def test_zones(text: str, name: str) -> None:
    """A zone goes to Elasticsearch by a name that it understands."""
    assert zone_name(parse_zone(text), NOW) == name


@pytest.mark.parametrize("text", ["", "Mars/Olympus", "+99:00", "../etc/passwd"])
def test_no_zones(text: str) -> None:
    """What is no zone is refused."""
    with pytest.raises(QueryError, match="no such time zone"):
        parse_zone(text)
