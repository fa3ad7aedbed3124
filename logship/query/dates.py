"""Times as they stand in queries and records: ISO 8601, epoch, Elasticsearch's date math.

A time says as much as it says: ``2026-11-21`` is a whole day, ``now/h`` a whole hour. So
each reads as a half-open span, and comparisons round as Elasticsearch's do: ``>`` begins
after the span, ``<=`` reaches to its end.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

__all__ = ["is_time_field", "span_of"]

_TIME_FIELDS = frozenset({"@timestamp", "timestamp", "@ingested", "event.ingested"})
_ISO = re.compile(
    r"(\d{4})(?:-(\d\d?)(?:-(\d\d?)(?:[T ](?:(\d\d?)(?::(\d\d?)(?::(\d\d?)"
    r"(?:[.,](\d{1,9}))?)?)?)?\s*(Z|z|[+-]\d\d(?::?\d\d)?)?)?)?)?"
)
_EPOCH = re.compile(r"-?\d{5,}(?:\.\d+)?")
_MATH = re.compile(r"([+-])(\d*)([yMwdhHms])|/([yMwdhHms])")
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3600, "H": 3600, "m": 60, "s": 1}
_TICK = timedelta(milliseconds=1)


def is_time_field(field: str) -> bool:
    """Whether *field* holds times, whatever its values look like."""
    return field in _TIME_FIELDS


def span_of(text: str, now: datetime, zone: tzinfo = UTC) -> tuple[datetime, datetime] | None:
    """Return the first moment that *text* stands for and the first one after it.

    Args:
        text: ``2026``, ``2026-11-21``, ``2026-11-21T10:05:06.789Z``, milliseconds since 1970
            (five digits or more), ``now-1h/d`` or ``2026-11-21||+1M/d``.
        now: What ``now`` stands for; with a zone.
        zone: Of times that carry none, and whose midnight ``/d`` means.

    Returns:
        Two aware times, equal when *text* is a moment; None when it is no time.
    """
    if text.startswith("now"):
        span, rest = (now, now), text[3:]
    else:
        start, bars, rest = text.partition("||")
        read = _moment(start.strip(), zone)
        if read is None:
            return None
        span = (read[0], read[0]) if bars else read
    try:
        return _calculate(span, rest, zone) if rest else span
    except (OverflowError, ValueError):
        return None


def _moment(text: str, zone: tzinfo) -> tuple[datetime, datetime] | None:
    try:
        if _EPOCH.fullmatch(text):
            moment = datetime.fromtimestamp(float(text) / 1000, UTC)
            return moment, moment + _TICK
        found = _ISO.fullmatch(text)
        return None if found is None else _iso(found, zone)
    except (OverflowError, ValueError, OSError):
        return None


def _iso(found: re.Match[str], zone: tzinfo) -> tuple[datetime, datetime]:
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    start = datetime(
        int(year),
        int(month or 1),
        int(day or 1),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int((fraction or "0").ljust(6, "0")[:6]),
        tzinfo=_offset(offset) or zone,
    )
    if fraction:
        return start, start + (_TICK if len(fraction) <= 3 else timedelta(microseconds=1))
    for unit, part in zip("smhdM", (second, minute, hour, day, month), strict=True):
        if part:
            return start, _add(start, 1, unit)
    return start, _add(start, 1, "y")


def _offset(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    delta = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-delta if text[0] == "-" else delta)


def _calculate(
    span: tuple[datetime, datetime], rest: str, zone: tzinfo
) -> tuple[datetime, datetime] | None:
    position = 0
    while position < len(rest):
        found = _MATH.match(rest, position)
        if found is None:
            return None
        sign, count, unit, rounding = found.groups()
        if rounding:
            start = _floor(span[0].astimezone(zone), rounding)
            span = (start, _add(start, 1, rounding))
        else:
            amount = int(count or 1) * (-1 if sign == "-" else 1)
            span = (_add(span[0], amount, unit), _add(span[1], amount, unit))
        position = found.end()
    return span


def _add(moment: datetime, amount: int, unit: str) -> datetime:
    if unit in "yM":
        months = moment.year * 12 + moment.month - 1 + amount * (12 if unit == "y" else 1)
        year, month = divmod(months, 12)
        for day in range(moment.day, 27, -1):
            try:
                return moment.replace(year=year, month=month + 1, day=day)
            except ValueError:
                continue  # the 31st of a short month becomes its last day
        return moment.replace(year=year, month=month + 1)
    if unit in "dw":  # by the calendar, so that a day across a change of clocks stays a day
        return moment + timedelta(seconds=amount * _SECONDS[unit])
    exact = moment.astimezone(UTC) + timedelta(seconds=amount * _SECONDS[unit])
    return exact.astimezone(moment.tzinfo)


def _floor(moment: datetime, unit: str) -> datetime:
    moment = moment.replace(microsecond=0)
    if unit == "w":
        unit, moment = "d", moment - timedelta(days=moment.weekday())
    if unit in "mhHdMy":
        moment = moment.replace(second=0)
    if unit in "hHdMy":
        moment = moment.replace(minute=0)
    if unit in "dMy":
        moment = moment.replace(hour=0)
    if unit in "My":
        moment = moment.replace(day=1)
    return moment.replace(month=1) if unit == "y" else moment
