"""Times as people write them on a command line: one grammar for every flag.

==========================  =====================================================
``15m`` ``1h30m`` ``-2h``   that long ago (``ms s m h d w``; ``2 hours ago``, too)
``+10m``                    that long from now
``14:05`` ``14:05:30``      the last time a clock showed that
``today`` ``yesterday``     midnight then; ``yesterday 14:00`` is that day's clock
``2026-11-21``              midnight; ``2026-11-21 14:05``, ISO 8601 with or without zone
``1795257000``              seconds since 1970; 12 digits and more are milliseconds
``now-1d/d``                Elasticsearch's date math
==========================  =====================================================
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from logship.errors import QueryError
from logship.query.dates import span_of

__all__ = ["format_time", "parse_time", "parse_zone", "zone_name"]

_AMOUNT = re.compile(
    r"(\d+(?:\.\d+)?)\s*"
    r"(ms|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)(?![a-z])\s*"
)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DAY = re.compile(r"(today|yesterday|tomorrow)(?:[\sT]+(.+))?")
_CLOCK = re.compile(r"(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,6}))?)?")
_EPOCH = re.compile(r"\d{9,11}(?:\.\d+)?|\d{12,14}")
_OFFSET = re.compile(r"([+-])(\d\d?):?(\d\d)?")
_DAYS_AWAY = {"today": 0, "yesterday": -1, "tomorrow": 1}


def parse_time(text: str, *, now: datetime, zone: tzinfo | None = None) -> datetime:
    """Return the moment that *text* stands for, in *zone*.

    A day stands for its beginning. ``14:05`` is today's when that has been, else
    yesterday's.

    Args:
        text: See the table of this module.
        now: What relative times count from; with a zone.
        zone: Of times that carry none; None is this machine's.

    Raises:
        QueryError: *text* is no time.
    """
    zone = local_zone() if zone is None else zone
    wanted = text.strip()
    try:
        moment = _read(wanted, now.astimezone(zone), zone)
    except (ValueError, OverflowError, OSError):
        moment = None
    if moment is None:
        raise QueryError(
            "this is no time; write for example 15m, 14:05, yesterday, 2026-11-21T10:00", text, 0
        )
    return moment


def parse_zone(text: str) -> tzinfo:
    """Return the zone of a name like ``Europe/Berlin``, of ``+02:00``, ``utc`` or ``local``.

    Raises:
        QueryError: There is no such zone.
    """
    if text.lower() in ("utc", "z"):
        return UTC
    if text.lower() == "local":
        return local_zone()
    if found := _OFFSET.fullmatch(text):
        offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        if offset < timedelta(days=1):
            return timezone(-offset if found[1] == "-" else offset)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise QueryError(
            "there is no such time zone; write for example Europe/Berlin, +02:00 or utc", text, 0
        ) from None


def local_zone() -> tzinfo:
    """Return this machine's zone, with its changes of clocks where they can be found."""
    name = os.environ.get("TZ", "").lstrip(":")
    try:
        if name:
            return ZoneInfo(name)
        with open("/etc/localtime", "rb") as file:
            return ZoneInfo.from_file(file, key=_key_of_localtime())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.now().astimezone().tzinfo or UTC


def zone_name(zone: tzinfo, at: datetime) -> str:
    """Return *zone* as Elasticsearch takes it: its IANA name, else its offset at *at*."""
    key = getattr(zone, "key", None)
    if isinstance(key, str):
        return key
    text = at.astimezone(zone).strftime("%z") or "+0000"
    return f"{text[:3]}:{text[3:5]}"


def format_time(moment: datetime) -> str:
    """Return *moment* as UTC in ISO 8601 with milliseconds."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def _key_of_localtime() -> str | None:
    target = os.path.realpath("/etc/localtime")
    _, found, key = target.partition("/zoneinfo/")
    return key if found else None


def _read(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    if (distance := _distance(text)) is not None:
        return (now.astimezone(UTC) + distance).astimezone(zone)
    if found := _DAY.fullmatch(text.lower()):
        day = (now + timedelta(days=_DAYS_AWAY[found[1]])).date()
        clock = found[2] or "00:00"
        return _at_clock(datetime(day.year, day.month, day.day, tzinfo=zone), clock)
    if (clocked := _at_clock(now, text)) is not None:
        return clocked if clocked <= now else clocked - timedelta(days=1)
    if _EPOCH.fullmatch(text):
        number = float(text)
        return datetime.fromtimestamp(number / 1000 if number >= 1e11 else number, zone)
    span = span_of(text, now, zone)
    if span is not None:
        return span[0].astimezone(zone)
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def _distance(text: str) -> timedelta | None:
    """Read ``1h30m``; without a sign it lies in the past."""
    lowered = text.lower() if " " in text else text
    sign = 1 if lowered.startswith("+") else -1
    rest = lowered.lstrip("+-").removesuffix("ago").strip()
    if not rest or len(lowered) - len(lowered.lstrip("+-")) > 1:
        return None
    seconds, position = 0.0, 0
    while position < len(rest):
        found = _AMOUNT.match(rest, position)
        if found is None:
            return None
        unit = found[2]
        seconds += float(found[1]) * (0.001 if unit == "ms" else _SECONDS[unit[0]])
        position = found.end()
    return timedelta(seconds=sign * seconds)


def _at_clock(day: datetime, text: str) -> datetime | None:
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    fraction = int((found[4] or "0").ljust(6, "0"))
    return day.replace(
        hour=int(found[1]),
        minute=int(found[2]),
        second=int(found[3] or 0),
        microsecond=fraction,
    )
