"""A ``logging.LogRecord`` becomes a document: id, index and body, fixed where it was born.

Runs in the application's thread, so it is short, does no I/O and never raises for what an
application may have put on a record.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Mapping
from typing import Any, NamedTuple

from logship.handler.context import current_fields, current_trace
from logship.ids import counter_id, handler_prefix
from logship.model import action_head
from logship.schema.encode import encode_record, safe_text
from logship.schema.flat import RESERVED, lift
from logship.schema.levels import standard_level
from logship.sinks.index_names import IndexNames

__all__ = ["Documenter", "Encoded", "record_of"]

HEADS_KEPT = 256
# What every LogRecord has; all else on it came by ``extra``.
_STANDARD = frozenset(
    (*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName", "stack_info")
)
# What has a place of its own in the schema, whoever sets it.
_ROOTS = frozenset(("trace_id", "span_id", "user_id", "request_id", "tags"))
_OWNED = frozenset(("@timestamp", "@ingested", "message", "level", "logger", "host.name"))
_NEEDS_LIFTING = frozenset(RESERVED) - {"host.name", "extra"}


class Encoded(NamedTuple):
    """One document, ready to be sent. Its wire form is as in :class:`logship.model.Documents`."""

    head: bytes
    id: bytes
    body: bytes
    level: int

    @property
    def size_bytes(self) -> int:
        """About what it costs, on the wire and in memory."""
        return len(self.head) + len(self.id) + len(self.body) + 48


class Documenter:
    """Makes documents of one process. After a fork the child needs a new one.

    Args:
        constants: Fields of every record.
        extra_field: Where extras go; None merges them at the root.
    """

    def __init__(
        self, names: IndexNames, constants: Mapping[str, Any], extra_field: str | None
    ) -> None:
        self._names, self._extra_field = names, extra_field
        self._constants = {**constants, "process.pid": os.getpid()}
        self._prefix = handler_prefix().encode()
        self._heads: dict[str, bytes] = {}
        self._seconds: tuple[int, str] = (-1, "")

    def encode(self, record: logging.LogRecord, number: int) -> Encoded:
        """Return the document of *record*.

        Args:
            number: Of this document in this process: the id's counter. Unique, below 2**48.
        """
        document = record_of(record, self._constants, self._extra_field, self._time(record.created))
        key = document["@timestamp"][: self._names.key_length]
        head = self._heads.get(key)
        if head is None or self._names.has_fields:
            name = self._names.name(key, document)
            head = action_head(name, self._prefix, with_id=True)
            if len(self._heads) >= HEADS_KEPT:
                self._heads.clear()
            self._heads[key] = head
        return Encoded(head, counter_id(number), encode_record(document)[1:], record.levelno)

    def _time(self, created: float) -> str:
        seconds = int(created)
        known, text = self._seconds
        if known != seconds:
            from time import gmtime, strftime

            text = strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds))
            self._seconds = (seconds, text)
        return f"{text}.{int((created - seconds) * 1_000_000):06d}Z"


def record_of(
    record: logging.LogRecord,
    constants: Mapping[str, Any],
    extra_field: str | None,
    time: str,
) -> dict[str, Any]:
    """Return *record* in the flat schema, with the trace and the fields bound here and now."""
    document: dict[str, Any] = {
        "@timestamp": time,
        "level": standard_level(record.levelname) or record.levelname,
        "logger": record.name,
        "message": _message(record),
        **constants,
    }
    if record.exc_info:
        _add_error(document, record)
    elif record.stack_info:
        document["error.stack_trace"] = record.stack_info
    if record.threadName and record.threadName != "MainThread":
        document["process.thread.name"] = record.threadName
    task = getattr(record, "taskName", None)
    if task:
        document["process.task.name"] = task
    trace = current_trace()
    if trace is not None:
        document["trace_id"], document["span_id"] = trace
    bound = current_fields()
    extra = {k: v for k, v in record.__dict__.items() if k not in _STANDARD}
    if bound or extra:
        _add_fields(document, bound, extra, extra_field)
    return document


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # a wrong format string costs its arguments' places, not the record
        return f"{safe_text(record.msg)} {safe_text(record.args)} ({type(error).__name__}: {error})"


def _add_fields(
    document: dict[str, Any],
    bound: Mapping[str, Any],
    extra: dict[str, Any],
    extra_field: str | None,
) -> None:
    roots = {k: v for k, v in bound.items() if k not in _OWNED}
    rest = {}
    for key, value in extra.items():
        if key in _ROOTS or (extra_field is None and key not in _OWNED):
            roots[key] = value
        else:
            rest[key] = value
    document.update(roots)
    if rest:
        document[extra_field or "extra"] = rest
    if not _NEEDS_LIFTING.isdisjoint(roots) or not _ROOTS.isdisjoint(roots):
        lift(document, None)


def _add_error(document: dict[str, Any], record: logging.LogRecord) -> None:
    info = record.exc_info
    if not isinstance(info, tuple) or info[0] is None:
        return
    type_, error, trace = info
    module = "" if type_.__module__ == "builtins" else f"{type_.__module__}."
    document["error.type"] = f"{module}{type_.__qualname__}"
    document["error.message"] = safe_text(error)
    try:
        lines = traceback.format_exception(type_, error, trace)
    except Exception:  # an exception whose own methods fail must not cost the record
        lines = [safe_text(error)]
    document["error.stack_trace"] = "".join(lines)
