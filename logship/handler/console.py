"""Records for people at a terminal."""

from __future__ import annotations

import io
import logging
import os
import sys
import time
from typing import Any, TextIO

from logship.handler.document import record_of
from logship.handler.formatter import time_of
from logship.schema.encode import as_text

__all__ = ["ConsoleHandler", "TextFormatter"]

_COLORS = {"WARNING": "33", "ERROR": "31", "CRITICAL": "1;31", "HTTP": "36", "DEBUG": "2"}
# Shown in a place of their own, or of no use on a terminal.
_PLACED = frozenset(
    (
        "@timestamp",
        "level",
        "logger",
        "message",
        "extra",
        "error.type",
        "error.message",
        "error.stack_trace",
        "span_id",
    )
)


class TextFormatter(logging.Formatter):
    """``2026-11-21 14:05:06.123 INFO     orders: order placed  order_id=o-17``, and a traceback.

    Args:
        color: Whether to mark levels with a terminal's colours.
    """

    def __init__(self, *, color: bool = False) -> None:
        super().__init__()
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        """Return the text, of several lines where there is a traceback; local time."""
        document = record_of(record, {}, "extra", time_of(record.created))
        seconds = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        moment = f"{seconds}.{int(record.msecs):03d}"
        level = f"{document['level']:<8}"
        if self._color and (color := _COLORS.get(document["level"])):
            level = f"\x1b[{color}m{level}\x1b[0m"
        text = f"{moment} {level} {document['logger']}: {_harmless(document['message'])}"
        if fields := _fields(document):
            text += f"  {fields}"
        if trace := document.get("error.stack_trace"):
            text += f"\n{_harmless(trace).rstrip()}"
        return text


class ConsoleHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever ``sys.stdout`` is at the moment."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())  # never used: see ``stream``

    @property
    def stream(self) -> TextIO:
        """Return ``sys.stdout``, which tests and daemons replace."""
        return sys.stdout if sys.stdout is not None else io.StringIO()

    @stream.setter
    def stream(self, stream: TextIO) -> None:
        """Take no other."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text, escaped as far as the terminal cannot show it."""
        text = super().format(record)
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        return text


def is_terminal() -> bool:
    """Whether people look at ``sys.stdout``."""
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False


def wants_color() -> bool:
    """Whether colours are shown there and wanted."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _fields(document: dict[str, Any]) -> str:
    fields = {name: value for name, value in document.items() if name not in _PLACED}
    extra = document.get("extra")
    if isinstance(extra, dict):
        fields |= extra
    return " ".join(f"{name}={_shown(value)}" for name, value in fields.items())


def _shown(value: object) -> str:
    text = as_text(value)
    if isinstance(value, str) and (not text or set(text) & set(' "=\n\t')):
        text = as_text([text])[1:-1]
    return _harmless(text)


def _harmless(text: str) -> str:
    """What a request put into a message must not steer the terminal."""
    return text.replace("\x1b", "\\x1b").replace("\r", "\\r")
