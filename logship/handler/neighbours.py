"""structlog and loguru hand their records to a logging handler, fields and exceptions intact."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from logship.handler.levels import level_number
from logship.schema.encode import safe_text

__all__ = ["loguru_sink", "structlog_processor"]

# What a LogRecord owns: extras under these names get an underscore.
_TAKEN = frozenset((*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"))


def structlog_processor(
    handler: logging.Handler,
) -> Callable[[Any, str, MutableMapping[str, Any]], MutableMapping[str, Any]]:
    """Return a structlog processor that hands every event to *handler* and passes it on.

    Put it before the renderer; ``event`` becomes the message, ``logger`` the logger's name,
    ``exc_info`` the error, and all other keys extras. Only for loggers that do not go through
    Python's ``logging``: with ``structlog.stdlib`` attach the handler there instead, and let
    ``structlog.stdlib.render_to_log_kwargs`` come last.

    Args:
        handler: A :class:`logship.LogshipHandler`, or any other.
    """

    def process(
        logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        extra = dict(event)
        message = extra.pop("event", "")
        name = extra.pop("logger", None) or getattr(logger, "name", None) or "structlog"
        level = extra.pop("level", None) or ("error" if method == "exception" else method)
        stack = extra.pop("stack", None) or extra.pop("exception", None)
        info = _exc_info(extra.pop("exc_info", None))
        extra.pop("timestamp", None)
        record = _record(str(name), level, safe_text(message), extra, info, time.time())
        if stack and not info:
            record.stack_info = str(stack)
        _hand_over(handler, record)
        return event

    return process


def loguru_sink(handler: logging.Handler) -> Callable[[Any], None]:
    """Return a sink for ``loguru.logger.add`` that hands every record to *handler*.

    What was bound (``logger.bind``, ``logger.contextualize``) becomes extras. Leave loguru's
    ``enqueue`` off: the handler has its own queue, and trace ids are those of the calling thread.

    Args:
        handler: A :class:`logship.LogshipHandler`, or any other.
    """

    def sink(message: Any) -> None:
        entry = message.record
        error = entry["exception"]
        record = _record(
            entry["name"] or "loguru",
            entry["level"].no,
            entry["message"],
            entry["extra"],
            None if error is None else (error.type, error.value, error.traceback),
            entry["time"].timestamp(),
        )
        record.levelname = entry["level"].name
        record.pathname, record.lineno = entry["file"].path, entry["line"]
        record.funcName = entry["function"]
        _hand_over(handler, record)

    return sink


def _record(
    name: str,
    level: int | str,
    message: str,
    extra: Mapping[str, Any],
    info: Any,
    created: float,
) -> logging.LogRecord:
    record = logging.LogRecord(name, _number(level), "", 0, message, None, info)
    if isinstance(level, str):
        record.levelname = level.upper()
    record.created, record.msecs = created, created % 1 * 1000
    for key, value in extra.items():
        setattr(record, f"{key}_" if key in _TAKEN else str(key), value)
    return record


def _hand_over(handler: logging.Handler, record: logging.LogRecord) -> None:
    if record.levelno >= handler.level:
        handler.handle(record)


def _number(level: int | str) -> int:
    try:
        return level_number(level)
    except ValueError:  # somebody's own name
        return logging.INFO


def _exc_info(value: Any) -> Any:
    """structlog takes True, an exception, or a tuple as ``sys.exc_info`` gives it."""
    if isinstance(value, BaseException):
        return type(value), value, value.__traceback__
    if isinstance(value, tuple):
        return value
    info = sys.exc_info() if value else (None, None, None)
    return info if info[0] is not None else None
