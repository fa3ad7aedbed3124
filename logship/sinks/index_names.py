"""Index names from a pattern: by the record's own time, and by its fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

__all__ = ["IndexNames", "wildcard"]

_JODA = {"yyyy": "%Y", "YYYY": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "xxxx": "%G", "ww": "%V"}
_JODA_DATE = re.compile(r"%\{\+([^}]*)\}")
_FIELD = re.compile(r"\{([^{}]+)\}")
_ILLEGAL = re.compile(r'[\\/*?"<>| ,#:\x00-\x1f]+')
_DIRECTIVE = re.compile(r"%[A-Za-z]")
UNKNOWN = "unknown"


class IndexNames:
    """Compiled form of ``index.name``.

    Attributes:
        has_fields: Whether names depend on more than the time.
        key_length: How many characters of a UTC time text decide the name: 10 when a day
            does, else 16 (time zones differ by whole minutes).
    """

    def __init__(self, pattern: str, timezone: str = "UTC") -> None:
        self._pattern = _JODA_DATE.sub(lambda match: _from_joda(match[1]), pattern)
        self._zone: tzinfo = UTC if timezone == "UTC" else ZoneInfo(timezone)
        self._fields = tuple(_FIELD.findall(self._pattern))
        self.has_fields = bool(self._fields)
        directives = set(_DIRECTIVE.findall(self._pattern))
        by_day = directives <= {"%Y", "%m", "%d", "%y", "%j", "%G", "%V"}
        self.key_length = 10 if by_day and timezone == "UTC" else 16

    def name(self, key: str, record: Mapping[str, Any] | None = None) -> str:
        """Return the index of a record.

        Args:
            key: The first ``key_length`` characters of the record's UTC time.
            record: Needed when the pattern names fields; what lacks one counts as ``unknown``.

        Returns:
            A name that Elasticsearch accepts: lower case, no illegal character.
        """
        moment = datetime.fromisoformat(key).replace(tzinfo=UTC).astimezone(self._zone)
        name = moment.strftime(_FIELD.sub("{}", self._pattern))
        if self._fields:
            name = name.format(*map(_part, self.values(record)))
        return name.lower()

    def values(self, record: Mapping[str, Any] | None) -> tuple[str | None, ...]:
        """Return what *record* has in the fields of the pattern: all that decides beside time.

        None where it has nothing that could be part of a name.
        """
        return tuple([_value(record or {}, field) for field in self._fields])


def wildcard(pattern: str) -> str:
    """Return the pattern that matches every index which *pattern* can name: ``logs-*.*.*``.

    The literal parts stay, so that a template for it captures as little else as possible.
    """
    text = _FIELD.sub("*", _DIRECTIVE.sub("*", _JODA_DATE.sub(_joda_wildcard, pattern)))
    return re.sub(r"\*+", "*", text).lower()


def _joda_wildcard(match: re.Match[str]) -> str:
    return re.sub(r"[A-Za-z]+", "*", match[1])


def _from_joda(format_: str) -> str:
    return re.sub(r"[A-Za-z]+", lambda match: _JODA.get(match[0], match[0]), format_)


def _value(record: Mapping[str, Any], field: str) -> str | None:
    value = record.get(field)
    if value is None and "." in field:
        value = record
        for name in field.split("."):
            value = value.get(name) if isinstance(value, dict) else None
    return None if value is None or isinstance(value, (dict, list)) else str(value)


def _part(value: str | None) -> str:
    clean = _ILLEGAL.sub("-", (value or "").lower()).strip("-._+")
    return clean.encode("utf-8", "ignore")[:100].decode("utf-8", "ignore") or UNKNOWN
