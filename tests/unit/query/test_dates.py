"""Times in queries and records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from logship.query.dates import span_of

NOW = datetime(2026, 11, 21, 12, 34, 56, 789000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", "2026-01-01", "2027-01-01"),
        ("2026-11", "2026-11-01", "2026-12-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2026-11-21", "2026-11-21", "2026-11-22"),
        ("2026-11-21T10", "2026-11-21T10:00", "2026-11-21T11:00"),
        ("2026-11-21T10:05", "2026-11-21T10:05", "2026-11-21T10:06"),
        ("2026-11-21 10:05:06", "2026-11-21T10:05:06", "2026-11-21T10:05:07"),
        ("2026-11-21T10:05:06Z", "2026-11-21T10:05:06", "2026-11-21T10:05:07"),
        ("2026-11-21T10:05:06.5+02:00", "2026-11-21T08:05:06.500", "2026-11-21T08:05:06.501"),
        (
            "2026-11-21T10:05:06.123456789Z",
            "2026-11-21T10:05:06.123456",
            "2026-11-21T10:05:06.123457",
        ),
        ("1795257000000", "2026-11-21T10:30:00", "2026-11-21T10:30:00.001"),
        ("now", "2026-11-21T12:34:56.789", "2026-11-21T12:34:56.789"),
        ("now-1h", "2026-11-21T11:34:56.789", "2026-11-21T11:34:56.789"),
        ("now+1d-2h", "2026-11-22T10:34:56.789", "2026-11-22T10:34:56.789"),
        ("now/d", "2026-11-21", "2026-11-22"),
        ("now-1d/d", "2026-11-20", "2026-11-21"),
        ("now/w", "2026-11-16", "2026-11-23"),
        ("now/M", "2026-11-01", "2026-12-01"),
        ("now/y", "2026-01-01", "2027-01-01"),
        ("2026-11-21||-1d", "2026-11-20", "2026-11-20"),
        ("2026-03-31||-1M", "2026-02-28", "2026-02-28"),
        ("2026-11-21||/M", "2026-11-01", "2026-12-01"),
    ],
)
def test_spans(text: str, start: str, end: str) -> None:
    """A time stands for all the moments it leaves open."""
    expected = tuple(datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (start, end))
    assert span_of(text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "now-",
        "nowhere",
        "2026-13",
        "2026-02-30",
        "12:30",
        "now/q",
        "now-99999999999y",
        "9" * 40,
    ],
)
def test_no_times(text: str) -> None:
    """What is no time is said to be none."""
    assert span_of(text, NOW) is None


def test_days_follow_the_clocks_of_the_zone() -> None:
    """The day on which clocks change has 25 hours."""
    berlin = ZoneInfo("Europe/Berlin")
    start, end = span_of("2026-10-25", NOW, berlin) or (NOW, NOW)
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=25)
