"""Lines become records. A parser never raises: bad input is a record too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logship.parsers.auto import parse_auto
from logship.parsers.json import parse_json
from logship.parsers.logfmt import parse_logfmt
from logship.parsers.syslog import parse_syslog
from logship.parsers.text import parse_text

__all__ = ["PARSERS", "Parser"]

Parser = Callable[[bytes], dict[str, Any]]

# By format. What a container's runtime wrote is parsed once its own form is off.
PARSERS: dict[str, Parser] = {
    "auto": parse_auto,
    "cri": parse_auto,
    "docker": parse_auto,
    "json": parse_json,
    "logfmt": parse_logfmt,
    "syslog": parse_syslog,
    "text": parse_text,
}
