"""``text``: any line becomes the message; a time and a level at its beginning are recognised."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["decode", "parse_text"]

_HEAD = re.compile(
    r"\[?(?P<time>\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
    r"(?: ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?))?)\]?(?=[\s\]|,:;-]|$)"
    r"(?:[\s|,:;-]*[\[<(]?(?P<level>TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?"
    r"|FATAL|SEVERE|EMERG|ALERT)[\]>)]?(?=[\s|,:;\]-]|$))?",
    re.IGNORECASE | re.ASCII,
).match
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
    ``@timestamp``, and a level name right after it ``level``; both stay in the message.
    """
    text, replaced = decode(line)
    record: dict[str, Any] = {"message": text}
    head = _HEAD(text)
    if head is not None:
        record["@timestamp"] = head["time"]
        if head["level"]:
            record["level"] = head["level"]
    if replaced:
        record["tags"] = [INVALID_UTF8]
    return record
