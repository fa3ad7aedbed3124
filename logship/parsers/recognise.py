"""Which format a file has, by its first lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import orjson

from logship.parsers.cri import is_cri_line
from logship.parsers.docker import is_docker_line
from logship.parsers.logfmt import looks_like_logfmt
from logship.parsers.syslog import looks_like_syslog

__all__ = ["Format", "recognise"]

Format = Literal["json", "cri", "docker", "logfmt", "syslog", "text"]

_OF_ALL_LINES: tuple[Format, ...] = ("cri", "docker", "syslog", "logfmt")


def recognise(first_lines: Sequence[bytes]) -> Format:
    """Return the format that a file has, as far as its first complete lines tell.

    JSON when half of the lines are JSON objects: a banner may stand above them, and a JSON
    source reads other lines as they are. Any other format needs three quarters of the lines.
    ``text`` when there is doubt, which spoils no line. Empty lines do not count.

    Args:
        first_lines: Without their newlines; about twenty are enough.
    """
    formats = Counter(_format(line) for line in first_lines if line.strip())
    count = formats.total()
    if not count:
        return "text"
    for name in _OF_ALL_LINES:
        if formats[name] >= 0.75 * count:
            return name
    # Docker's lines are JSON, too.
    if formats["json"] + formats["docker"] >= 0.5 * count:
        return "json"
    return "text"


def _format(line: bytes) -> Format:
    if line.lstrip().startswith(b"{"):
        if is_docker_line(line):
            return "docker"
        return "json" if _is_object(line) else "text"
    if is_cri_line(line):
        return "cri"
    if looks_like_syslog(line):
        return "syslog"
    return "logfmt" if looks_like_logfmt(line) else "text"


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False
