"""Dates: text and numbers to integer nanoseconds since 1970 UTC, and back.

Formats are Elasticsearch's: named ones (``strict_date_optional_time``, ``epoch_millis``),
Java patterns (``yyyy-MM-dd HH:mm:ss``), and alternatives joined by ``||``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from logship.node import datepatterns
from logship.node.errors import Json, NodeError, illegal_argument

MILLIS = "strict_date_optional_time||epoch_millis"
NANOS = "strict_date_optional_time_nanos||epoch_millis"
SECOND = 1_000_000_000
MILLI = 1_000_000
DAY = 86_400 * SECOND

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_ISO = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(?:(\d\d)(?::(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?)?"
    r"(Z|[+-]\d\d(?::?\d\d)?)?)?)?)?",
    re.ASCII,
)
_ISO_NANOS = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(?:(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?)?"
    r"(Z|[+-]\d\d(?::?\d\d)?)?)?)?)?",
    re.ASCII,
)
_LENIENT = re.compile(
    r"(\d{1,4})(?:-(\d{1,2})(?:-(\d{1,2})(?:T(?:(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})"
    r"(?:[.,](\d{1,9}))?)?)?)?(Z|[+-]\d\d(?::?\d\d)?)?)?)?)?",
    re.ASCII,
)
_PLAIN = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)", re.ASCII
)


class BadDate(ValueError):
    """A text is no date in the wanted format; the message is Elasticsearch's."""

    def caused_by(self) -> Json:
        """Return the error objects for this failure."""
        return {
            "type": "illegal_argument_exception",
            "reason": str(self),
            "caused_by": {
                "type": "date_time_parse_exception",
                "reason": "Failed to parse with all enclosed parsers",
            },
        }


@dataclass(frozen=True, slots=True)
class Moment:
    """A parsed date: its first and its last nanosecond.

    They differ when parts are missing: ``2026-11-21`` lasts a day.
    """

    first: int
    last: int


@lru_cache(maxsize=4096)
def _day_nanos(text: str) -> int:
    return (date.fromisoformat(text).toordinal() - _EPOCH_DAY) * DAY


def iso_nanos(text: str) -> int:
    """Return a complete ISO 8601 time in UTC as nanoseconds; fast, for the usual spelling.

    Raises:
        ValueError: *text* is not written like ``2026-11-21T10:00:00.123Z``.
    """
    match = _PLAIN.fullmatch(text)
    if match is None:
        raise ValueError(text)
    day, hour, minute, second, fraction = match.groups()
    seconds = int(hour) * 3600 + int(minute) * 60 + int(second)
    if hour > "23" or minute > "59" or second > "59":
        raise ValueError(text)
    nanos = int(fraction) * 10 ** (9 - len(fraction)) if fraction else 0
    return _day_nanos(day) + seconds * SECOND + nanos


def _iso(text: str, zone: tzinfo, pattern: re.Pattern[str]) -> Moment:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    nanos = int(fraction) * 10 ** (9 - len(fraction)) if fraction else 0
    start = datetime(
        int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0),
        int(second or 0), tzinfo=parse_zone(offset) if offset else zone,
    )  # fmt: skip
    first = datetime_nanos(start) + nanos
    if fraction:
        return Moment(first, first + 10 ** (9 - len(fraction)) - 1 if len(fraction) > 3 else first)
    # A date without a day lasts the first day of its month or year, as in Elasticsearch.
    unit = "s" if second else "m" if minute else "h" if hour else "d"
    try:
        return Moment(first, datetime_nanos(add_units(start, 1, unit)) - 1)
    except OverflowError:  # the last day of the calendar
        return Moment(first, first + DAY - 1)


def datetime_nanos(moment: datetime) -> int:
    """Return an aware *moment* as nanoseconds, exact to the microsecond."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds * 1000


def nanos_datetime(nanos: int, zone: tzinfo = UTC) -> datetime:
    """Return *nanos* as a datetime in *zone*, cut to the microsecond and to years 1 to 9999."""
    moment = timedelta(microseconds=nanos // 1000)
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + moment).astimezone(zone)
    except OverflowError:  # beyond the calendar there is no other
        if nanos > 0:
            return datetime.max.replace(tzinfo=zone)
        return datetime.min.replace(tzinfo=zone)


def add_units(moment: datetime, count: int, unit: str) -> datetime:
    """Return *moment* moved by *count* of y, M, w, d, h, H, m or s in wall time."""
    if unit in "yM":
        months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "y" else 1)
        year, month = divmod(months, 12)
        last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
        return moment.replace(year=year, month=month + 1, day=min(moment.day, last))
    if unit in "wd":
        return moment + timedelta(days=count * (7 if unit == "w" else 1))
    seconds = count * {"h": 3600, "H": 3600, "m": 60, "s": 1}[unit]
    return (moment.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(moment.tzinfo)


def floor_unit(moment: datetime, unit: str) -> datetime:
    """Return the beginning of the year, quarter, month, … that *moment* lies in."""
    if unit == "y":
        return moment.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    if unit == "q":
        month = (moment.month - 1) // 3 * 3 + 1
        return moment.replace(month=month, day=1, hour=0, minute=0, second=0, microsecond=0)
    if unit == "M":
        return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if unit == "w":
        moment = moment - timedelta(days=moment.weekday())
    if unit in "wd":
        return moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit in "hH":
        return moment.replace(minute=0, second=0, microsecond=0)
    return moment.replace(second=0, microsecond=0) if unit == "m" else moment.replace(microsecond=0)


@lru_cache(maxsize=256)
def parse_zone(text: str) -> tzinfo:
    """Return the time zone for ``Z``, ``+01:00``, ``+0100`` or ``Europe/Berlin``.

    Raises:
        NodeError: There is no such zone.
    """
    if text in {"Z", "UTC", "GMT"}:
        return UTC
    match = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d\d))?", text)
    if match:
        minutes = int(match[2]) * 60 + int(match[3] or 0)
        if minutes <= 18 * 60:
            return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        reason = f"Unknown time-zone ID: {text}"
        cause = {"type": "zone_rules_exception", "reason": reason}
        raise illegal_argument(f"java.time.zone.ZoneRulesException: {reason}", cause) from None


Reader = Callable[[str, tzinfo], Moment]
Writer = Callable[[int, tzinfo], str]


class DateFormat:
    """A format, possibly with alternatives; the first one prints."""

    def __init__(self, text: str) -> None:
        self.text = text
        names = text.split("||")
        self._readers = [_reader(name) for name in names]
        self._writer = _writer(names[0])
        self._is_default = text in {MILLIS, NANOS}

    def moment(self, value: Any, zone: tzinfo = UTC) -> Moment:
        """Return what *value*, a text or number, means.

        Raises:
            BadDate: No alternative matches.
        """
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = str(value)
        for reader in self._readers:
            try:
                return reader(text, zone)
            except (ValueError, OverflowError):
                continue
        raise BadDate(f"failed to parse date field [{text}] with format [{self.text}]")

    def nanos(self, value: Any) -> int:
        """Return *value* as nanoseconds.

        Raises:
            BadDate: No alternative matches.
        """
        if self._is_default and type(value) is str:
            try:
                return iso_nanos(value)
            except ValueError:
                pass
        return self.moment(value).first

    def text_of(self, nanos: int, zone: tzinfo = UTC) -> str:
        """Return *nanos* as text in *zone*."""
        return self._writer(nanos, zone)


@lru_cache(maxsize=256)
def date_format(text: str) -> DateFormat:
    """Return the format named *text*.

    Raises:
        NodeError: It names no format and is no pattern.
    """
    return DateFormat(text)


def _epoch(unit: int) -> Reader:
    def read(text: str, _zone: tzinfo) -> Moment:
        match = re.fullmatch(r"(-?\d+)(?:\.(\d{1,9}))?", text, re.ASCII)
        if match is None or len(match[1]) > 18:
            raise ValueError(text)
        nanos = int(match[1]) * unit
        if match[2]:
            nanos += int(match[2]) * unit // 10 ** len(match[2]) * (-1 if nanos < 0 else 1)
        return Moment(nanos, nanos)

    return read


def _reader(name: str) -> Reader:
    name = name.removeprefix("8") if name.startswith("8") else name
    if name in {"strict_date_optional_time", "iso8601"}:
        return lambda text, zone: _iso(text, zone, _ISO)
    if name == "strict_date_optional_time_nanos":
        return lambda text, zone: _iso(text, zone, _ISO_NANOS)
    if name == "date_optional_time":
        return lambda text, zone: _iso(text, zone, _LENIENT)
    if name == "epoch_millis":
        return _epoch(MILLI)
    if name == "epoch_second":
        return _epoch(SECOND)
    pattern = datepatterns.compiled(name)

    def read(text: str, zone: tzinfo) -> Moment:
        parts = pattern.parse(text)
        offset = parts.pop("zone", None)
        nanos = int(parts.pop("nanos", 0))
        start = datetime(
            int(parts.get("year", 1970)), int(parts.get("month", 1)), int(parts.get("day", 1)),
            int(parts.get("hour", 0)), int(parts.get("minute", 0)), int(parts.get("second", 0)),
            tzinfo=parse_zone(offset) if isinstance(offset, str) else zone,
        )  # fmt: skip
        first = datetime_nanos(start) + nanos
        units = [("second", "s"), ("minute", "m"), ("hour", "h")]
        unit = next((unit for part, unit in units if part in parts), "d")
        last = first if nanos else datetime_nanos(add_units(start, 1, unit)) - 1
        return Moment(first, last)

    return read


def _writer(name: str) -> Writer:
    if name in {"strict_date_optional_time", "strict_date_optional_time_nanos", "iso8601"} or (
        name == "date_optional_time"
    ):
        return _write_iso
    if name == "epoch_millis":
        return lambda nanos, _zone: str(nanos // MILLI)
    if name == "epoch_second":
        return lambda nanos, _zone: str(nanos // SECOND)
    pattern = datepatterns.compiled(name)
    return lambda nanos, zone: pattern.format(nanos_datetime(nanos, zone), nanos % SECOND)


def _write_iso(nanos: int, zone: tzinfo) -> str:
    moment = nanos_datetime(nanos, zone)
    fraction = f"{nanos % SECOND:09d}"
    fraction = fraction[:3] + fraction[3:].rstrip("0")
    offset = "Z" if zone is UTC else datepatterns.offset_text(moment, colon=True)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction}{offset}".zfill(24)


_MATH = re.compile(r"([+-])(\d*)([a-zA-Z])|/([a-zA-Z])")


def resolve_math(value: Any, now: int, fmt: DateFormat, zone: tzinfo, *, round_up: bool) -> int:
    """Return a date of a query: a plain date or date math, as nanoseconds.

    Args:
        value: ``now-1d/d``, ``2026-11-21||+1M``, ``2026-11-21T10:00:00Z`` or epoch digits; a
            number means milliseconds, whatever the format.
        now: The present in nanoseconds.
        fmt: Reads the part that is a date.
        zone: Of a date that names none, and of roundings.
        round_up: Whether missing parts and roundings mean their end (for gt and lte).

    Raises:
        NodeError: Not to be understood; the words are Elasticsearch's.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value * MILLI)
    text = str(value)
    if text.startswith("now"):
        moment, math = nanos_datetime(now, zone), text[3:]
        below = now % 1000
    else:
        anchor, _, math = text.partition("||")
        try:
            found = fmt.moment(anchor, zone)
        except BadDate as error:
            raise NodeError(
                400, "parse_exception", f"{error}: [{error}]", caused_by=error.caused_by()
            ) from None
        if not math:
            return found.last if round_up else found.first
        moment, below = nanos_datetime(found.first, zone), found.first % 1000
    position = 0
    while position < len(math):
        match = _MATH.match(math, position)
        if match is None:
            raise NodeError(
                400,
                "parse_exception",
                f"operator not supported for date math [{math[position:]}]",
            )
        unit = match[3] or match[4]
        if unit not in "yMwdhHms":
            raise NodeError(
                400, "parse_exception", f"unit [{unit}] not supported for date math [{math}]"
            )
        if match[4]:
            moment, below = floor_unit(moment, unit), 0
            if round_up:
                moment = add_units(moment, 1, unit)
                below = -1
        else:
            count = int(match[2] or 1)
            moment = add_units(moment, -count if match[1] == "-" else count, unit)
        position = match.end()
    return datetime_nanos(moment) + below
