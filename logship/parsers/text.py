"""``text``: any line becomes the message; a time and a level at its beginning are recognised."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["decode", "parse_text"]

_TIME = (
    r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
    r"(?: ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?))?"
)
_LEVEL = r"TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL|SEVERE|EMERG|ALERT"
_BETWEEN = r"[\s|,:;-]"
_HEAD = re.compile(
    rf"\[?(?P<time>{_TIME})\]?(?=[\s\]|,:;-]|$)"
    # A thread or a process in brackets, or Python's " - name - ", may come before the level.
    rf"(?:(?:{_BETWEEN}*\[[^\[\]]{{1,100}}\]| - \S{{1,100}} -)??"
    rf"{_BETWEEN}*[\[<(]?(?P<level>{_LEVEL})[\]>)]?(?=[\s|,:;\]-]|$))?",
    re.IGNORECASE | re.ASCII,
).match
_LEVEL_FIRST = re.compile(
    rf"[\[<(]?(?P<level>{_LEVEL})[\]>)]?{_BETWEEN}{{1,20}}"
    rf"\[?(?P<time>{_TIME})\]?(?=[\s\]|,:;-]|$)",
    re.IGNORECASE | re.ASCII,
).match
_COLOR = re.compile(r"\x1b\[[0-9;]*m").sub
_HEAD_CHARACTERS = 400
INVALID_UTF8 = "invalid_utf8"


def decode(line: bytes) -> tuple[str, bool]:
    """Return the text of *line*, and whether bytes had to be replaced by U+FFFD."""
    try:
        return line.decode(), False
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace"), True


def parse_text(line: bytes) -> dict[str, Any]:
    """Return a record with the line as ``message``.

    A time (ISO 8601 and its everyday variants) at the very beginning also becomes
    ``@timestamp``, and a level name after it, or right before, ``level``; both stay in the
    message, as do a terminal's colours, which are looked through.
    """
    text, replaced = decode(line)
    record: dict[str, Any] = {"message": text}
    beginning = text if "\x1b" not in text else _COLOR("", text[:_HEAD_CHARACTERS])
    head = _HEAD(beginning) or _LEVEL_FIRST(beginning)
    if head is not None:
        record["@timestamp"] = head["time"]
        if head["level"]:
            record["level"] = head["level"]
    if replaced:
        record["tags"] = [INVALID_UTF8]
    return record
