"""Index names from a pattern: by the record's own time, and by its fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from logship.schema.ecs import NAMES
from logship.settings.model import IndexSettings

__all__ = ["IndexNames", "NameBound", "Period", "wildcard"]

_JODA = {"yyyy": "%Y", "YYYY": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "xxxx": "%G", "ww": "%V"}
_JODA_DATE = re.compile(r"%\{\+([^}]*)\}")
_FIELD = re.compile(r"\{([^{}]+)\}")
_BARRED = r'\\/*?"<>| ,#:\x00-\x1f'
_ILLEGAL = re.compile(f"[{_BARRED}]+")
_DIRECTIVE = re.compile(r"%[A-Za-z]")
# Records are flat here, whatever they are stored as.
_FLAT = {ecs_name: name for name, ecs_name in NAMES.items()}
_TOKEN = re.compile(r"%([A-Za-z])|\{[^{}]+\}")
_DIGITS = {"Y": 4, "G": 4, "y": 2, "m": 2, "d": 2, "H": 2, "V": 2, "j": 3}
UNKNOWN = "unknown"
# Of a name; of what a field contributes. Dates are a little longer than their directives.
MAX_BYTES, MAX_PART_BYTES, MARGIN_BYTES = 255, 100, 8


@dataclass(frozen=True, slots=True)
class Period:
    """The time that an index stands for, by the date in its name.

    Attributes:
        start: Its first moment; aware.
        end: The first moment after it.
        text: ``2026-11-21``, or ``2026``, ``2026-11``, ``2026-W47``, ``2026-11-21T16``.
    """

    start: datetime
    end: datetime
    text: str


class IndexNames:
    """Compiled form of ``index.name``, or of the one name of a data stream.

    Attributes:
        has_fields: Whether names depend on more than the time.
        key_length: How many characters of a UTC time text decide the name: 10 when a day
            does, else 16 (time zones differ by whole minutes).
        has_period: Whether names tell how old what is in them can be.
    """

    def __init__(self, pattern: str, timezone: str = "UTC") -> None:
        self._pattern = _without_joda(pattern)
        self._zone: tzinfo = UTC if timezone == "UTC" else ZoneInfo(timezone)
        self._fields = tuple(_FIELD.findall(self._pattern))
        self.has_fields = bool(self._fields)
        fixed = len(_FIELD.sub("", self._pattern).replace("%Y", "2026").encode())
        each = (MAX_BYTES - fixed - MARGIN_BYTES) // (len(self._fields) or 1)
        self._part_bytes = max(len(UNKNOWN), min(MAX_PART_BYTES, each))
        directives = set(_DIRECTIVE.findall(self._pattern))
        by_day = directives <= {"%Y", "%m", "%d", "%y", "%j", "%G", "%V"}
        self.key_length = 10 if by_day and timezone == "UTC" else 16
        self._read = _expression(self._pattern, self._part_bytes)
        self.has_period = self.period(self.example()) is not None

    @classmethod
    def of(cls, index: IndexSettings) -> IndexNames:
        """Return the names that the settings ask for."""
        return cls(index.data_stream or index.name, index.timezone)

    def name(self, key: str, record: Mapping[str, Any] | None = None) -> str:
        """Return the index of a record.

        Args:
            key: The first ``key_length`` characters of the record's UTC time.
            record: Needed when the pattern names fields; what lacks one counts as ``unknown``.

        Returns:
            A name that Elasticsearch accepts: lower case, no illegal character.
        """
        moment = datetime.fromisoformat(key).replace(tzinfo=UTC).astimezone(self._zone)
        return self._made(moment, *map(self._part, self.values(record)))

    def values(self, record: Mapping[str, Any] | None) -> tuple[str | None, ...]:
        """Return what *record* has in the fields of the pattern: all that decides beside time.

        None where it has nothing that could be part of a name.
        """
        return tuple([_value(record or {}, field) for field in self._fields])

    def example(self) -> str:
        """Return a name of an ordinary day, with ``x`` for every field."""
        moment = datetime(2026, 11, 21, 16, tzinfo=UTC)
        return self._made(moment, *["x"] * len(self._fields))

    def parts(self, index: str) -> tuple[str, ...] | None:
        """Return what the fields contribute to *index*; None when it is no name of ours."""
        found = self._read.fullmatch(index)
        return None if found is None else tuple(found[f"f{n}"] for n in range(len(self._fields)))

    def period(self, index: str) -> Period | None:
        """Return the time that *index* stands for.

        None when the pattern cannot produce this name, letter by letter, or has no date that
        tells an age.
        """
        found, parts = self._read.fullmatch(index), self.parts(index)
        if found is None or parts is None:
            return None
        try:
            period = _period({k: int(v) for k, v in found.groupdict().items() if k[0] != "f"},
                             self._zone)  # fmt: skip
        except (ValueError, OverflowError):  # 30 February
            return None
        return period if period and self._made(period.start, *parts) == index else None

    def _part(self, value: str | None) -> str:
        return _part(value, self._part_bytes)

    def _made(self, moment: datetime, *parts: str) -> str:
        name = moment.strftime(_FIELD.sub("{}", self._pattern))
        return (name.format(*parts) if parts else name).lower()


class NameBound:
    """Bounds how many different names fields may give, so that no record floods a cluster.

    Names that differ only in their date count once.

    Args:
        most: So many are let through in the life of this object, first come first served.
    """

    def __init__(self, names: IndexNames, most: int) -> None:
        self._names, self.most = names, most
        self._known: set[tuple[str, ...]] = set()

    def lets(self, index: str) -> bool:
        """Whether documents may go to *index*; the same answer ever after a yes."""
        parts = self._names.parts(index) or (index,)
        if parts in self._known:
            return True
        if len(self._known) >= self.most:
            return False
        self._known.add(parts)
        return True


def wildcard(pattern: str) -> str:
    """Return the pattern that matches every index which *pattern* can name: ``logs-2*.*.*``.

    The literal parts stay, and with them the millennium, so that a template for it captures as
    little else as possible: data streams go by names such as ``logs-endpoint.events.process-x``.
    """
    dated = _DIRECTIVE.sub(
        lambda match: "2*" if match[0] in ("%Y", "%G") else "*", _without_joda(pattern)
    )
    return re.sub(r"\*+", "*", _FIELD.sub("*", dated)).lower()


def _without_joda(pattern: str) -> str:
    return _JODA_DATE.sub(lambda match: _from_joda(match[1]), pattern)


def _from_joda(format_: str) -> str:
    return re.sub(r"[A-Za-z]+", lambda match: _JODA.get(match[0], match[0]), format_)


def _expression(pattern: str, most: int) -> re.Pattern[str]:
    """What reads a name back: a group for each date part (by its letter) and field (f0, f1)."""
    pieces, position, fields = [], 0, 0
    seen: set[str] = set()
    edge = rf"[^{_BARRED}\-._+]"
    for token in _TOKEN.finditer(pattern):
        pieces.append(re.escape(pattern[position : token.start()].lower()))
        position, letter = token.end(), token[1]
        if letter is None:
            # Where values hold what stands between them, another way to part them may be right.
            pieces.append(f"(?P<f{fields}>{edge}(?:[^{_BARRED}]{{0,{most - 2}}}?{edge})?)")
            fields += 1
        elif letter in seen:
            pieces.append(f"(?P={letter})")
        else:
            seen.add(letter)
            pieces.append(f"(?P<{letter}>[0-9]{{{_DIGITS.get(letter, 2)}}})")
    pieces.append(re.escape(pattern[position:].lower()))
    return re.compile("".join(pieces), re.DOTALL)


def _period(parts: Mapping[str, int], zone: tzinfo) -> Period | None:
    """Return the time that the date parts of a name stand for; None when they name none."""
    given = set(parts)
    if given == {"G", "V"}:
        monday = date.fromisocalendar(parts["G"], parts["V"], 1)
        week = f"{parts['G']}-W{parts['V']:02d}"
        return Period(_at(monday, zone), _at(monday + timedelta(days=7), zone), week)
    year = parts.get("Y", 2000 + parts.get("y", 0))
    given = {"Y" if part == "y" else part for part in given}
    if given == {"Y"}:
        return Period(_at(date(year, 1, 1), zone), _at(date(year + 1, 1, 1), zone), f"{year}")
    if given == {"Y", "m"}:
        first = date(year, parts["m"], 1)
        after = date(year + parts["m"] // 12, parts["m"] % 12 + 1, 1)
        return Period(_at(first, zone), _at(after, zone), f"{first:%Y-%m}")
    if given - {"H"} == {"Y", "j"}:
        day = date(year, 1, 1) + timedelta(days=parts["j"] - 1)
    elif given - {"H"} == {"Y", "m", "d"}:
        day = date(year, parts["m"], parts["d"])
    else:
        return None
    if "H" not in given:
        return Period(_at(day, zone), _at(day + timedelta(days=1), zone), day.isoformat())
    hour = datetime.combine(day, time(parts["H"]), zone)
    # In real time: an hour that clocks go through twice is two.
    end = datetime.combine(day, time(parts["H"]), zone).replace(fold=1).astimezone(UTC)
    return Period(hour, end + timedelta(hours=1), f"{day}T{parts['H']:02d}")


def _at(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _value(record: Mapping[str, Any], field: str) -> str | None:
    value = record.get(field)
    if value is None and "." in field:
        value = record
        for name in field.split("."):
            value = value.get(name) if isinstance(value, dict) else None
    if value is None and field in _FLAT:
        value = record.get(_FLAT[field])
    return None if value is None or isinstance(value, (dict, list)) else str(value)


def _part(value: str | None, most_bytes: int) -> str:
    """Return what a value is in a name: at most so many bytes, none of which Elasticsearch bars."""
    clean = _ILLEGAL.sub("-", (value or "").lower()).strip("-._+")
    cut = clean.encode("utf-8", "ignore")[:most_bytes].decode("utf-8", "ignore")
    return cut.rstrip("-._+") or UNKNOWN
