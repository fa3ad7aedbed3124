"""A ``logging.LogRecord`` becomes a document: id, index and body, fixed where it was born.

Runs in the application's thread, so it is short, does no I/O and never raises for what an
application may have put on a record.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from time import gmtime, strftime
from typing import Any

from logship.handler.context import IDS, current_fields, take_ids
from logship.ids import counter_id, handler_prefix
from logship.model import action_head
from logship.schema.encode import encode_record, safe_text
from logship.schema.flat import RESERVED, SCALARS, TEXTS, lift
from logship.schema.levels import standard_level
from logship.sinks.index_names import IndexNames
from logship.spool import envelope

__all__ = ["Documenter", "Encoded", "record_of"]

HEADS_KEPT = 256
_RECORDS_NAME_TASKS = sys.version_info >= (3, 12)
# What every LogRecord has; all else on it came by ``extra``.
_STANDARD = frozenset(
    (*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName", "stack_info")
)
# What has a place of its own in the schema, whoever sets it.
_ROOTS = frozenset(("user_id", "request_id", "tags"))
_OWNED = frozenset(("@timestamp", "@ingested", "message", "level", "logger", "host.name")) | IDS
_NEEDS_LIFTING = frozenset((*RESERVED, *TEXTS, *SCALARS)) - {"host.name", "extra"}
_ENTRY_BYTES = 200  # about what one more entry costs beside its bytes on the wire


class Encoded:
    """One document, ready to be sent, and the receipt for it.

    Its wire form is as in :class:`logship.model.Documents`: head, id, body.

    Attributes:
        level: The record's, as a number.
        size_bytes: About what it costs in memory.
        number: Among the records of its queue; -1 before it is fixed.
        must_stay: Whether it may not be dropped, bounds or not.
        settled: Called with this entry when it is delivered, or refused for good.
    """

    __slots__ = ("body", "head", "id", "level", "must_stay", "number", "settled", "size_bytes")

    def __init__(self, head: bytes, body: bytes, level: int, *, must_stay: bool = False) -> None:
        self.head, self.body, self.level = head, body, level
        self.must_stay = must_stay
        self.id = b""
        self.number = -1
        self.size_bytes = len(body) + _ENTRY_BYTES
        self.settled: Callable[[Encoded], None] = _nobody

    def fix(self, number: int) -> None:
        """Give it its place in a queue and, the first time, its id."""
        self.number = number
        self.id = self.id or counter_id(number)

    def envelope(self) -> bytes:
        """Return it as a line of a spool file."""
        return envelope(self.head, self.id, b"{" + self.body)

    def settle(self, count: int) -> None:
        """Say that it is delivered, or refused for good; *count* is 1."""
        self.settled(self)


def _nobody(entry: Encoded) -> None:
    """Nobody waits for it yet."""


class Documenter:
    """Makes documents of one process. After a fork the child needs a new one.

    Args:
        constants: Fields of every record.
        extra_field: Where extras go; None merges them at the root.

    Attributes:
        prefix: What the ids of these documents begin with.
    """

    def __init__(
        self, names: IndexNames, constants: Mapping[str, Any], extra_field: str | None
    ) -> None:
        self.prefix = handler_prefix()
        self._names, self._extra_field = names, extra_field
        self._constants = {**constants, "process.pid": os.getpid()}
        self._heads: dict[str, bytes] = {}
        self._seconds: tuple[int, str] = (-1, "")

    def encode(self, record: logging.LogRecord, *, must_stay: bool = False) -> Encoded:
        """Return the document of *record*, without the end of its id. Hot: `make bench-handler`."""
        document = record_of(record, self._constants, self._extra_field, self._time(record.created))
        key = document["@timestamp"][: self._names.key_length]
        head = self._heads.get(key)
        if head is None or self._names.has_fields:
            head = self._head(key, document)
        level = record.levelno
        body = encode_record(document)[1:]
        return Encoded(head, body, level if level.__class__ is int else 0, must_stay=must_stay)

    def _head(self, key: str, document: dict[str, Any]) -> bytes:
        name = self._names.name(key, document)
        head = self._heads.get(name)
        if head is None:
            head = action_head(name, self.prefix.encode(), with_id=True)
            if len(self._heads) >= HEADS_KEPT:
                self._heads = {}
            self._heads[name] = head
        if not self._names.has_fields:
            self._heads[key] = head
        return head

    def _time(self, created: float) -> str:
        seconds = int(created)
        known, text = self._seconds
        if known != seconds:
            text = strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds))
            self._seconds = (seconds, text)
        return f"{text}.{int((created - seconds) * 1_000_000):06d}Z"


def record_of(
    record: logging.LogRecord,
    constants: Mapping[str, Any],
    extra_field: str | None,
    time: str,
) -> dict[str, Any]:
    """Return *record* in the flat schema, with the trace and the fields bound here and now.

    Call it in the thread and context where the record was born. *record* is not changed.

    Args:
        constants: Fields of every record.
        extra_field: Where extras go; None merges them at the root, where none replaces a field
            that is there.
        time: The record's, as UTC text.
    """
    document: dict[str, Any] = {
        "@timestamp": time,
        "level": standard_level(record.levelname) or "NOTSET",
        "logger": record.name,
        "message": _message(record),
        **constants,
    }
    if record.exc_info or record.stack_info or record.exc_text:
        _add_error(document, record)
    if record.threadName and record.threadName != "MainThread":
        document["process.thread.name"] = record.threadName
    if record.processName and record.processName != "MainProcess":
        document["process.name"] = record.processName
    task = _task_name(record)
    if task:
        document["process.task.name"] = task
    bound = current_fields()
    extra = {k: v for k, v in record.__dict__.items() if k not in _STANDARD}
    around = None
    if not IDS.isdisjoint(bound):
        bound = dict(bound)
        around = take_ids(bound)
    trace_id, span_id = take_ids(extra, around)
    if trace_id is not None:
        document["trace_id"] = trace_id
    if span_id is not None:
        document["span_id"] = span_id
    if bound or extra:
        _add_fields(document, bound, extra, extra_field)
    return document


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # a wrong format string costs its arguments' places, not the record
        why = f"{type(error).__name__}: {safe_text(error)}"
        return f"{safe_text(record.msg)} {safe_text(record.args)} ({why})"


def _task_name(record: logging.LogRecord) -> str | None:
    if _RECORDS_NAME_TASKS:
        return getattr(record, "taskName", None)
    # Not yet there where asyncio is not, or is being imported by another thread just now.
    running = getattr(sys.modules.get("asyncio.events"), "_get_running_loop", None)
    if running is None or running() is None:
        return None
    task = sys.modules["asyncio"].current_task()
    return task.get_name() if task is not None else None


def _add_fields(
    document: dict[str, Any],
    bound: Mapping[str, Any],
    extra: dict[str, Any],
    extra_field: str | None,
) -> None:
    roots = {}
    rest = {}
    for fields, stay_at_root in ((bound, True), (extra, extra_field is None)):
        for key, value in fields.items():
            if key in _ROOTS or (stay_at_root and key not in document and key not in _OWNED):
                roots[key] = value
            else:
                rest[key] = value
    document.update(roots)
    if rest:
        _put_beside(document, extra_field or "extra", rest)
    if not _NEEDS_LIFTING.isdisjoint(roots) or not _ROOTS.isdisjoint(roots):
        lift(document, None)


def _put_beside(document: dict[str, Any], name: str, fields: dict[str, Any]) -> None:
    there = document.get(name)
    document[name] = {**there, **fields} if isinstance(there, dict) else fields


def _add_error(document: dict[str, Any], record: logging.LogRecord) -> None:
    info = record.exc_info
    stack = record.exc_text or ""  # all that is left of it on a record that came from elsewhere
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if isinstance(info, tuple) and info[0] is not None:
        type_, error, trace = info
        module = "" if type_.__module__ == "builtins" else f"{type_.__module__}."
        document["error.type"] = f"{module}{type_.__qualname__}"
        document["error.message"] = safe_text(error)
        try:
            stack = "".join(traceback.format_exception(type_, error, trace))
        except Exception:  # an exception whose own methods fail must not cost the record
            stack = stack or safe_text(error)
    parts = [str(part).rstrip("\n") for part in (stack, record.stack_info) if part]
    if parts:
        document["error.stack_trace"] = "\n".join(parts) + "\n"
