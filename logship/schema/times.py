"""Times as applications write them become UTC text that Elasticsearch's ``date`` takes."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

__all__ = ["is_utc", "parse_time", "utc_text"]

# What Elasticsearch's strict_date_optional_time takes and we can pass on letter by letter.
_PLAIN_UTC = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|\+00:00)", re.ASCII
).fullmatch
_LEAP_SECOND = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:60(?:\.\d{1,9})?(?:Z|\+00:00)", re.ASCII
).fullmatch
_TEXT = re.compile(
    r"(?P<date>\d{4}[-/]\d\d[-/]\d\d)[T ](?P<clock>\d\d:\d\d(?::\d\d)?)"
    r"(?:[.,:](?P<fraction>\d{1,9}))?\s?(?P<zone>[Zz]|UTC|utc|GMT|gmt|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
).fullmatch
_NUMBER = re.compile(r"\d{9,19}(?:\.\d+)?", re.ASCII).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(value: object, zone: tzinfo | None) -> str | None:
    """Return *value* as UTC text, or None when it is no time.

    Args:
        value: ISO 8601 and its everyday variants (a blank for the T, a comma before the
            fraction), or seconds, milliseconds, microseconds or nanoseconds since 1970 as a
            number or as text; the unit follows from the size.
        zone: Of text that carries none; None is local time, daylight saving included.

    Returns:
        ``YYYY-MM-DDTHH:MM:SS[.fraction]Z``, the fraction as precise as given; the text itself
        when it has that form already (``+00:00`` included).
    """
    if isinstance(value, str):
        if is_utc(value):
            return value
        text = value.strip()
        if _LEAP_SECOND(text):
            # It has no place in Elasticsearch's dates: its neighbour stands for it.
            text = f"{text[:17]}59{text[19:]}"
        if is_utc(text):
            return text
        match = _TEXT(text)
        if match is not None:
            return _from_text(match, zone)
        if _NUMBER(text):
            return _from_number(int(text) if text.isdigit() else float(text))
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _from_number(value)
    return None


def is_utc(value: object) -> bool:
    """Whether *value* is UTC text as :func:`parse_time` returns it."""
    return isinstance(value, str) and _PLAIN_UTC(value) is not None and _is_day(value[:10])


def utc_text(seconds: float) -> str:
    """Return an epoch time as ``YYYY-MM-DDTHH:MM:SS.mmmZ``."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@lru_cache(maxsize=1024)
def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _from_text(match: re.Match[str], zone: tzinfo | None) -> str | None:
    day, clock, fraction, zone_text = match.groups()
    second = clock[6:] or "00"
    if second > "60":
        return None
    # What is costly is made once per minute. Local time is what it is now.
    local = time.tzname if zone is None else None
    found = _utc_minute(day.replace("/", "-"), clock[:5], zone_text, zone, local)
    if found is None:
        return None
    minute, odd_seconds = found
    second = "59" if second == "60" else second
    fraction = f".{fraction}" if fraction else ""
    if odd_seconds:  # local mean time, before there were zones of whole minutes
        total = odd_seconds + int(second)
        later = datetime.fromisoformat(minute) + timedelta(minutes=total // 60)
        minute, second = later.isoformat(timespec="minutes"), f"{total % 60:02d}"
    return f"{minute}:{second}{fraction}Z"


@lru_cache(maxsize=4096)
def _utc_minute(
    day: str, minute: str, zone_text: str | None, zone: tzinfo | None, _local: object
) -> tuple[str, int] | None:
    """Return the UTC text up to the minute, and seconds beyond it; None for no such moment."""
    try:
        moment = datetime.fromisoformat(f"{day}T{minute}")
        # A naive time counts as local in astimezone, daylight saving included.
        moment = moment.replace(tzinfo=_zone(zone_text) or zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if moment.year < 1000:
        return None
    return f"{moment:%Y-%m-%dT%H:%M}", moment.second


def _zone(text: str | None) -> tzinfo | None:
    if not text:
        return None
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _from_number(number: float) -> str | None:
    # 1e8 seconds is 1973; each unit is a thousand times the one before, so ranges do not meet.
    for scale, digits in ((1, 0), (1_000, 3), (1_000_000, 6), (1_000_000_000, 9)):
        if 1e8 * scale <= number < 1e11 * scale:
            return _scaled(number, scale, digits)
    return None


def _scaled(number: float, scale: int, digits: int) -> str | None:
    if isinstance(number, float):
        microseconds = round(number * 1_000_000 / scale)
        seconds, rest, digits = *divmod(microseconds, 1_000_000), 6
    else:
        seconds, rest = divmod(number, scale)
    fraction = f".{int(rest):0{digits}d}" if digits else ""
    minute, second = divmod(int(seconds), 60)
    return f"{_epoch_minute(minute)}:{second:02d}{fraction}Z"


@lru_cache(maxsize=4096)
def _epoch_minute(minute: int) -> str:
    return f"{_EPOCH + timedelta(minutes=minute):%Y-%m-%dT%H:%M}"
