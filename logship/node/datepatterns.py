"""Java date patterns such as ``yyyy-MM-dd HH:mm:ss.SSSXXX``: reading and printing."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache

from logship.node.errors import illegal_argument

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_TIME = "HH:mm:ss"
_NAMED = {
    "basic_date": "yyyyMMdd",
    "basic_date_time": "yyyyMMdd'T'HHmmss.SSSX",
    "basic_date_time_no_millis": "yyyyMMdd'T'HHmmssX",
    "date": "yyyy-MM-dd",
    "date_hour": "yyyy-MM-dd'T'HH",
    "date_hour_minute": "yyyy-MM-dd'T'HH:mm",
    "date_hour_minute_second": f"yyyy-MM-dd'T'{_TIME}",
    "date_hour_minute_second_millis": f"yyyy-MM-dd'T'{_TIME}.SSS",
    "date_hour_minute_second_fraction": f"yyyy-MM-dd'T'{_TIME}.SSS",
    "date_time": f"yyyy-MM-dd'T'{_TIME}.SSSXXX",
    "date_time_no_millis": f"yyyy-MM-dd'T'{_TIME}XXX",
    "hour": "HH",
    "hour_minute": "HH:mm",
    "hour_minute_second": _TIME,
    "time_no_millis": f"{_TIME}XXX",
    "year": "yyyy",
    "year_month": "yyyy-MM",
    "year_month_day": "yyyy-MM-dd",
}
_TOKEN = re.compile(r"'((?:[^']|'')*)'|([a-zA-Z])\2*|(\[|\])|(.)", re.DOTALL)
_OFFSET = r"Z|[+-]\d\d:?(?:\d\d)?"
_READ = {
    "y": r"(?P<year>\d{4})",
    "u": r"(?P<year>\d{4})",
    "M": r"(?P<month>\d\d)",
    "d": r"(?P<day>\d\d)",
    "H": r"(?P<hour>\d\d)",
    "k": r"(?P<hour>\d\d)",
    "h": r"(?P<hour12>\d\d)",
    "m": r"(?P<minute>\d\d)",
    "s": r"(?P<second>\d\d)",
    "a": r"(?P<half>[AaPp][Mm])",
    "E": r"[A-Za-z]+",
    "X": rf"(?P<zone>{_OFFSET})",
    "x": rf"(?P<zone>{_OFFSET})",
    "Z": rf"(?P<zone>{_OFFSET})",
    "z": r"(?P<zone>[A-Za-z/_]+|[+-]\d\d:?\d\d)",
    "V": r"(?P<zone>[A-Za-z/_]+|[+-]\d\d:?\d\d)",
}


def offset_text(moment: datetime, *, colon: bool) -> str:
    """Return the offset of *moment* from UTC like ``+01:00`` or ``+0100``."""
    offset = moment.utcoffset() or timedelta()
    minutes = int(offset.total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}{':' if colon else ''}{abs(minutes) % 60:02d}"


class Pattern:
    """One compiled pattern."""

    def __init__(self, pattern: str) -> None:
        self._parts: list[tuple[str, str]] = []
        expression = ""
        for match in _TOKEN.finditer(pattern):
            quoted, letter, bracket, other = match.groups()
            if letter:
                self._parts.append(("field", match[0]))
                expression += _reading(match[0], pattern)
            elif bracket:
                expression += "(?:" if bracket == "[" else ")?"
            else:
                text = other if quoted is None else (quoted.replace("''", "'") or "'")
                self._parts.append(("text", text))
                expression += re.escape(text)
        self._expression = re.compile(expression, re.ASCII)

    def parse(self, text: str) -> dict[str, str | int]:
        """Return year, month, day, hour, minute, second, nanos, zone as far as given.

        Raises:
            ValueError: *text* does not match.
        """
        match = self._expression.fullmatch(text)
        if match is None:
            raise ValueError(text)
        found: dict[str, str | int] = {k: v for k, v in match.groupdict().items() if v is not None}
        if "fraction" in found:
            digits = str(found.pop("fraction"))
            found["nanos"] = int(digits) * 10 ** (9 - len(digits))
        if "month_name" in found:
            found["month"] = _MONTHS.index(str(found.pop("month_name"))[:3].title()) + 1
        if "year2" in found:
            found["year"] = 2000 + int(found.pop("year2"))
        if "hour12" in found:
            afternoon = str(found.pop("half", "am")).lower() == "pm"
            found["hour"] = int(found.pop("hour12")) % 12 + (12 if afternoon else 0)
        return found

    def format(self, moment: datetime, nanos: int) -> str:
        """Return *moment* as text; *nanos* is its part below the second."""
        return "".join(
            text if kind == "text" else _printed(text, moment, nanos) for kind, text in self._parts
        )


def _reading(field: str, pattern: str) -> str:
    letter, count = field[0], len(field)
    if letter == "S":
        return rf"(?P<fraction>\d{{{count}}})" if count != 3 else r"(?P<fraction>\d{1,9})"
    if letter in "yu" and count == 2:
        return r"(?P<year2>\d\d)"
    if letter in "ML" and count >= 3:
        return r"(?P<month_name>[A-Za-z]+)"
    if letter not in _READ:
        raise illegal_argument(f"Invalid format: [{pattern}]: Unknown pattern letter: {letter}")
    expression = _READ[letter]
    if count == 1 and letter in "MdHhms":
        return expression.replace(r"\d\d", r"\d{1,2}")
    return expression


def _printed(field: str, moment: datetime, nanos: int) -> str:
    letter, count = field[0], len(field)
    if letter in "yu":
        return f"{moment.year % 100:02d}" if count == 2 else f"{moment.year:04d}"
    if letter in "ML" and count >= 3:
        return f"{moment:%B}" if count == 4 else _MONTHS[moment.month - 1]
    if letter == "E":
        return f"{moment:%A}" if count == 4 else f"{moment:%a}"
    if letter == "S":
        return f"{nanos:09d}"[:count]
    if letter == "a":
        return "PM" if moment.hour >= 12 else "AM"
    if letter in "Xx":
        if letter == "X" and not moment.utcoffset():
            return "Z"
        text = offset_text(moment, colon=count == 3)
        return text[:3] if count == 1 and text.endswith("00") else text
    if letter == "Z":
        return offset_text(moment, colon=False)
    if letter in "zV":
        return str(moment.tzinfo)
    value = {
        "M": moment.month,
        "L": moment.month,
        "d": moment.day,
        "H": moment.hour,
        "k": moment.hour or 24,
        "h": moment.hour % 12 or 12,
        "m": moment.minute,
        "s": moment.second,
    }[letter]
    return f"{value:0{count}d}"


@lru_cache(maxsize=256)
def compiled(name: str) -> Pattern:
    """Return the pattern for a named format or a pattern's text.

    Raises:
        NodeError: It is neither.
    """
    plain = name.removeprefix("strict_")
    return Pattern(_NAMED.get(plain, name))
