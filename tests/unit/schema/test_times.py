from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logship.schema.times import is_utc, parse_time, utc_text

fromisoformat = datetime.fromisoformat
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # passed on letter by letter
        ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z"),
        ("2026-11-21T10:00:00.123456789Z", "2026-11-21T10:00:00.123456789Z"),
        ("2026-11-21T10:00:00.5+00:00", "2026-11-21T10:00:00.5+00:00"),
        (" 2026-11-21T10:00:00Z\n", "2026-11-21T10:00:00Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        # everyday variants
        ("2026-11-21 10:00:00Z", "2026-11-21T10:00:00Z"),
        ("2026-11-21 10:00:00,123", "2026-11-21T10:00:00.123Z"),
        ("2026-11-21 10:00:00:123", "2026-11-21T10:00:00.123Z"),
        ("2026/11/21 10:00:00", "2026-11-21T10:00:00Z"),
        ("2026-11-21T10:00", "2026-11-21T10:00:00Z"),
        ("2026-11-21T10:00:00z", "2026-11-21T10:00:00Z"),
        ("2026-11-21 10:00:00 UTC", "2026-11-21T10:00:00Z"),
        ("2026-11-21 10:00:00 gmt", "2026-11-21T10:00:00Z"),
        ("2026-11-21T10:00:00+02:00", "2026-11-21T08:00:00Z"),
        ("2026-11-21T10:00:00 +0530", "2026-11-21T04:30:00Z"),
        ("2026-11-21T10:00:00-05", "2026-11-21T15:00:00Z"),
        ("2026-11-21T23:30:00.25-05:00", "2026-11-22T04:30:00.25Z"),
        # leap seconds have no place in Elasticsearch's dates
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("2016-12-31T23:59:60.75Z", "2016-12-31T23:59:59.75Z"),
        ("2017-01-01 00:59:60+01:00", "2016-12-31T23:59:59Z"),
        # numbers
        (1763719200, "2025-11-21T10:00:00Z"),
        (1763719200.25, "2025-11-21T10:00:00.250000Z"),
        (1763719200123, "2025-11-21T10:00:00.123Z"),
        (1763719200123.5, "2025-11-21T10:00:00.123500Z"),
        (1763719200123456, "2025-11-21T10:00:00.123456Z"),
        (1763719200123456789, "2025-11-21T10:00:00.123456789Z"),
        ("1763719200", "2025-11-21T10:00:00Z"),
        ("1763719200.25", "2025-11-21T10:00:00.250000Z"),
        (" 1763719200123 ", "2025-11-21T10:00:00.123Z"),
        ("1763719200123456789", "2025-11-21T10:00:00.123456789Z"),
        (100_000_000, "1973-03-03T09:46:40Z"),
        (99_999_999_999, "5138-11-16T09:46:39Z"),
        (100_000_000_000, "1973-03-03T09:46:40.000Z"),
        # the ends of the calendar
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59+01:00", "9999-12-31T22:59:59Z"),
        ("9999-12-31T23:59:59-01:00", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("0001-01-01 00:00:00", None),
        # no times
        ("2026-02-30T10:00:00Z", None),
        ("2026-02-30 10:00:00", None),
        ("2025-02-29T10:00:00Z", None),
        ("2026-13-01T10:00:00Z", None),
        ("2026-11-21T24:00:00Z", None),
        ("2026-11-21T10:60:00Z", None),
        ("2026-11-21T10:00:61Z", None),
        ("2026-11-21", None),
        ("2026-11-21T10:00:00.1234567890Z", None),
        ("2026-11-21T10:00:00+99:00", None),
        ("20261121T100000Z", None),
        ("2026-W47-6T10:00:00Z", None),
        ("٢٠٢٦-11-21T10:00:00Z", None),
        ("yesterday", None),
        ("", None),
        ("12345", None),
        (0, None),
        (-1763719200, None),
        (-1763719200.5, None),
        (99_999_999, None),
        (10**20, None),
        (1e300, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        (None, None),
        ({}, None),
        ([1763719200], None),
    ],
)
def test_times(value: object, expected: str | None) -> None:
    """Times as applications write them become UTC text as precise as they were, or nothing."""
    assert parse_time(value, UTC) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21 10:00:00", "2026-11-21T09:00:00Z"),
        ("2026-07-21 10:00:00", "2026-07-21T08:00:00Z"),
        # the night when 2 o'clock becomes 3: the hour that was skipped counts as an hour later
        ("2026-03-29 01:59:59", "2026-03-29T00:59:59Z"),
        ("2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),
        ("2026-03-29 03:00:00", "2026-03-29T01:00:00Z"),
        # the night when 3 o'clock becomes 2: the hour there are two of is the first of them
        ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),
        ("2026-10-25 03:00:00", "2026-10-25T02:00:00Z"),
        # what carries a zone needs no other
        ("2026-07-21 10:00:00Z", "2026-07-21T10:00:00Z"),
    ],
)
def test_naive_times_in_a_zone_with_daylight_saving(text: str, expected: str) -> None:
    """A time without a zone is the source's, by the rules of that day."""
    assert parse_time(text, BERLIN) == expected


@given(
    st.datetimes(min_value=fromisoformat("1001-01-01"), max_value=fromisoformat("9999-12-29")),
    st.sampled_from(["T", " "]),
    st.integers(-14 * 60, 14 * 60),
)
def test_any_time_in_any_zone(moment: datetime, blank: str, minutes: int) -> None:
    """What is written with an offset is the same moment in UTC."""
    zone = timezone(timedelta(minutes=minutes))
    text = moment.replace(tzinfo=zone).isoformat(blank)
    found = parse_time(text, UTC)
    assert found is not None
    assert datetime.fromisoformat(found) == moment.replace(tzinfo=zone)
    assert is_utc(found)
    assert parse_time(found, BERLIN) is found


@given(
    st.datetimes(min_value=fromisoformat("1850-01-01"), max_value=fromisoformat("2100-01-01")),
    st.sampled_from(["Europe/Berlin", "Africa/Monrovia", "Asia/Kathmandu", "America/St_Johns"]),
)
@example(fromisoformat("1960-01-01T10:00:45"), "Africa/Monrovia")
@example(fromisoformat("1960-01-01T10:59:59"), "Africa/Monrovia")
@example(fromisoformat("2026-10-25T02:59:59.5"), "Europe/Berlin")
def test_any_naive_time_in_a_zone(moment: datetime, name: str) -> None:
    """A time is the moment that the zone's rules say, also from before zones of whole minutes."""
    zone = ZoneInfo(name)
    found = parse_time(moment.isoformat(" "), zone)
    assert found is not None
    assert datetime.fromisoformat(found) == moment.replace(tzinfo=zone).astimezone(UTC)


def test_local_time_is_what_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a zone of the source the machine's counts, as it is set at that moment."""
    found = []
    for name in ("Asia/Kathmandu", "UTC", "America/New_York"):
        monkeypatch.setenv("TZ", name)
        time.tzset()
        found.append(parse_time("2026-07-21 10:00:00", None))
    monkeypatch.undo()
    time.tzset()
    assert found == ["2026-07-21T04:15:00Z", "2026-07-21T10:00:00Z", "2026-07-21T14:00:00Z"]


@given(st.integers(10**8, 10**11 - 1))
def test_the_unit_follows_from_the_size(seconds: int) -> None:
    """Seconds, milli-, micro- and nanoseconds of one moment are one time, as number and text."""
    expected = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    for scale in (1, 10**3, 10**6, 10**9):
        for value in (seconds * scale, str(seconds * scale)):
            found = parse_time(value, None)
            if isinstance(value, str) and len(value) > 19:
                continue
            assert found is not None
            assert found[:19] == expected


@given(st.text() | st.integers() | st.floats(), st.sampled_from([None, UTC, BERLIN]))
def test_nothing_raises(value: Any, zone: tzinfo | None) -> None:
    """Whatever is found where a time should be, the answer is UTC text or nothing."""
    found = parse_time(value, zone)
    assert found is None or is_utc(found)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-21T10:00:00Z", True),
        ("2026-11-21T10:00:00.123456789+00:00", True),
        ("2026-11-21T10:00:00", False),
        ("2026-02-30T10:00:00Z", False),
        (" 2026-11-21T10:00:00Z", False),
        ("2026-11-21T10:00:60Z", False),
        (1763719200, False),
        (None, False),
    ],
)
def test_what_is_passed_on_as_it_is(value: object, expected: bool) -> None:
    """Only UTC text that Elasticsearch's dates take needs no change."""
    assert is_utc(value) is expected


def test_epoch_times_as_text() -> None:
    """Logship's own times have milliseconds."""
    assert utc_text(1763719200.9996) == "2025-11-21T10:00:00.999Z"
    assert utc_text(0) == "1970-01-01T00:00:00.000Z"
