"""Dates of documents, queries and replies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from logship.node import dates
from logship.node.errors import NodeError

_NOW = dates.datetime_nanos(datetime(2026, 11, 21, 10, 30, 15, tzinfo=UTC))


def _at(text: str) -> int:
    return dates.datetime_nanos(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("fmt", "text", "expected"),
    [
        (dates.MILLIS, "2026-11-21T10:00:00.123Z", "2026-11-21T10:00:00.123+00:00"),
        (dates.MILLIS, "2026-11-21T10:00:00+02:00", "2026-11-21T08:00:00+00:00"),
        (dates.MILLIS, "2026-11-21T10:00:00-0130", "2026-11-21T11:30:00+00:00"),
        (dates.MILLIS, "2026-11-21T10:11:12,5", "2026-11-21T10:11:12.500+00:00"),
        (dates.MILLIS, "2026-11-21T10", "2026-11-21T10:00:00+00:00"),
        (dates.MILLIS, "2026-11", "2026-11-01T00:00:00+00:00"),
        (dates.MILLIS, "2026", "2026-01-01T00:00:00+00:00"),
        (dates.MILLIS, 1795255200123, "2026-11-21T10:00:00.123+00:00"),
        (dates.MILLIS, "1795255200123", "2026-11-21T10:00:00.123+00:00"),
        ("epoch_second", 1795255200, "2026-11-21T10:00:00+00:00"),
        ("yyyy-MM-dd HH:mm:ss", "2026-11-21 10:00:00", "2026-11-21T10:00:00+00:00"),
        ("dd/MMM/yyyy:HH:mm:ss Z", "21/Nov/2026:10:00:00 +0100", "2026-11-21T09:00:00+00:00"),
        ("yyyy/MM/dd||yyyy-MM-dd", "2026-11-21", "2026-11-21T00:00:00+00:00"),
        ("basic_date", "20261121", "2026-11-21T00:00:00+00:00"),
    ],
)
def test_a_date_is_read(fmt: str, text: object, expected: str) -> None:
    """Named formats, patterns, alternatives, numbers."""
    assert dates.date_format(fmt).nanos(text) == _at(expected)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13-01", "2026-02-30", "2026-11-21 10:00", "2026-11-21T24:00:00Z",
     "2026-11-21Z", "10:00", "2026-11-21T10:00:00.1234567890Z"],
)  # fmt: skip
def test_what_is_no_date_is_refused(text: str) -> None:
    """In the words of a real server."""
    with pytest.raises(dates.BadDate) as caught:
        dates.date_format(dates.MILLIS).nanos(text)
    assert str(caught.value) == (
        f"failed to parse date field [{text}] with format [strict_date_optional_time||epoch_millis]"
    )


def test_nanoseconds_are_kept() -> None:
    """Nine digits in, nine digits out."""
    fmt = dates.date_format(dates.NANOS)
    nanos = fmt.nanos("2026-11-21T11:00:00.000000001Z")
    assert nanos == 1795258800000000001
    assert fmt.text_of(nanos) == "2026-11-21T11:00:00.000000001Z"


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        ("strict_date_optional_time", "2026-11-21T11:30:15.000+01:00"),
        ("epoch_millis", "1795257015000"),
        ("epoch_second", "1795257015"),
        ("yyyy-MM-dd HH:mm", "2026-11-21 11:30"),
        ("EEE, d MMM yy h:mm a", "Sat, 21 Nov 26 11:30 AM"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-11-21T11:30:15.000+01:00"),
    ],
)
def test_a_date_is_printed_in_its_zone(fmt: str, expected: str) -> None:
    """As keys of histograms are."""
    assert dates.date_format(fmt).text_of(_NOW, ZoneInfo("Europe/Berlin")) == expected


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("now", "2026-11-21T10:30:15+00:00", "2026-11-21T10:30:15+00:00"),
        ("now-1h", "2026-11-21T09:30:15+00:00", "2026-11-21T09:30:15+00:00"),
        ("now/d", "2026-11-21T00:00:00+00:00", "2026-11-21T23:59:59.999999+00:00"),
        ("now-1M/M", "2026-10-01T00:00:00+00:00", "2026-10-31T23:59:59.999999+00:00"),
        ("2026-01-31||+1M", "2026-02-28T00:00:00+00:00", "2026-02-28T00:00:00+00:00"),
        ("2026-11-21||/w", "2026-11-16T00:00:00+00:00", "2026-11-22T23:59:59.999999+00:00"),
        ("2026-11-21", "2026-11-21T00:00:00+00:00", "2026-11-21T23:59:59.999999+00:00"),
    ],
)
def test_date_math(text: str, first: str, last: str) -> None:
    """Rounding goes down for gte and lt, to the last moment for gt and lte."""
    fmt = dates.date_format(dates.MILLIS)
    low = dates.resolve_math(text, _NOW, fmt, UTC, round_up=False)
    high = dates.resolve_math(text, _NOW, fmt, UTC, round_up=True)
    assert (low, high // 1000) == (_at(first), _at(last) // 1000)


def test_a_day_of_another_zone() -> None:
    """The zone decides where the day begins; a zone in the text wins."""
    fmt = dates.date_format(dates.MILLIS)
    zone = ZoneInfo("America/New_York")
    got = dates.resolve_math("2026-11-21", _NOW, fmt, zone, round_up=False)
    assert got == _at("2026-11-21T05:00:00+00:00")
    got = dates.resolve_math("2026-11-21T00:00:00Z", _NOW, fmt, zone, round_up=False)
    assert got == _at("2026-11-21T00:00:00+00:00")


def test_a_day_with_a_clock_change_has_another_length() -> None:
    """25 hours on the last Sunday of October in Berlin."""
    zone = ZoneInfo("Europe/Berlin")
    day = datetime(2026, 10, 25, tzinfo=zone)
    following = dates.add_units(day, 1, "d")
    assert dates.datetime_nanos(following) - dates.datetime_nanos(day) == 25 * 3600 * dates.SECOND


@pytest.mark.parametrize("text", ["now-1x", "now+", "now/x", "2026-11-21||*2d"])
def test_broken_date_math_is_refused(text: str) -> None:
    """As a parse_exception that quotes it."""
    fmt = dates.date_format(dates.MILLIS)
    with pytest.raises(NodeError) as caught:
        dates.resolve_math(text, _NOW, fmt, UTC, round_up=False)
    assert caught.value.type == "parse_exception"


def test_zones() -> None:
    """Names and offsets; others are named in the refusal."""
    assert dates.parse_zone("Z") is UTC
    assert dates.parse_zone("+05:30") == timezone(timedelta(hours=5, minutes=30))
    assert dates.parse_zone("Europe/Berlin") == ZoneInfo("Europe/Berlin")
    with pytest.raises(NodeError, match="Unknown time-zone ID: Mars/Base"):
        dates.parse_zone("Mars/Base")


def test_a_pattern_with_a_letter_that_is_none_is_refused() -> None:
    """Names the pattern."""
    with pytest.raises(NodeError, match="Unknown pattern letter: j"):
        dates.date_format("yyyy-jj")
