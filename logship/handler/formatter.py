"""``JsonFormatter``: the handler's documents as lines, for stdout and files."""

from __future__ import annotations

import logging
import os
import time
from typing import Any, Literal

from pythonjsonlogger.core import BaseJsonFormatter

from logship.handler.document import record_of
from logship.host import host_name
from logship.schema.encode import encode_record

__all__ = ["JsonFormatter", "constants_of", "time_of"]


_FIRST = ("@timestamp", "level", "service", "logger", "message")  # as people read a line


class JsonFormatter(BaseJsonFormatter):
    """One line of JSON per record: the document that ``LogshipHandler`` would ship.

    A sidecar that tails the lines stores the same fields, so it does not matter to a search
    which way a record went. A record that JSON cannot carry as it is costs no error: what is
    not serialisable becomes text.

    Works from ``dictConfig`` with ``"()": "logship.JsonFormatter"``.

    Args:
        fmt: Not used, as *datefmt*, *style* and *validate*: the document is always whole.
            They are here for ``dictConfig`` with ``class``.
        service: Service of every record; by default ``LOGSHIP_SERVICE``.
        environment: ``environment`` of every record.
        extra_field: Where what came by ``extra=`` goes; None merges it at the root.
        options: What python-json-logger's formatters take; of these ``static_fields``,
            ``rename_fields`` and ``prefix`` mean something here.
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        validate: bool = True,
        *,
        service: str | None = None,
        environment: str | None = None,
        extra_field: str | None = "extra",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._constants = {
            **constants_of(service, environment),
            **self.static_fields,
            "process.pid": os.getpid(),
        }
        self._extra_field = extra_field

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its newline."""
        # The parent's own way would raise for a wrong format string and change the record.
        log_data: dict[str, Any] = {}
        self.add_fields(log_data, record, {})
        return self.serialize_log_record(self.process_log_record(log_data))

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        """Put the document of *record* into *log_data*."""
        # The process id is looked up each time: a fork may have happened.
        constants = {**self._constants, "process.pid": os.getpid()}
        document = record_of(record, constants, self._extra_field, time_of(record.created))
        first = {name: document[name] for name in _FIRST if name in document}
        names = self.rename_fields
        log_data.update(
            (names.get(name, name), value) for name, value in (first | document).items()
        )

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """Return *log_data* as JSON; never raises."""
        return encode_record(log_data).decode()


def constants_of(service: str | None, environment: str | None) -> dict[str, Any]:
    """Return the fields that every record of this process has."""
    fields = {
        "service": service or os.environ.get("LOGSHIP_SERVICE"),
        "environment": environment,
        "host.name": host_name(os.environ),
    }
    return {name: value for name, value in fields.items() if value}


def time_of(created: float) -> str:
    """Return a record's time as it is shipped: UTC text to the microsecond."""
    global _last_second
    seconds = int(created)
    known, text = _last_second
    if known != seconds:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        _last_second = (seconds, text)
    return f"{text}.{int((created - seconds) * 1_000_000):06d}Z"


_last_second = (-1, "")
