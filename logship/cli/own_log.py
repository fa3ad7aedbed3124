"""logship's own log: on stderr, as text for people or JSON for machines."""

from __future__ import annotations

import json
import logging
import sys

from logship.schema.times import utc_text
from logship.settings.model import LogSettings

__all__ = ["set_up_log"]


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = f"{utc_text(record.created)} {record.levelname:<7} {record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "@timestamp": utc_text(record.created),
            "level": record.levelname,
            "service": "logship",
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error.stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def set_up_log(settings: LogSettings) -> None:
    """Send the log of the package ``logship`` to stderr; ``auto`` is text on a terminal."""
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if as_json else _Text())
    logger = logging.getLogger("logship")
    logger.handlers[:] = [handler]
    logger.setLevel(settings.level)
    logger.propagate = False
