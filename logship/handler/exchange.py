"""One HTTP request and what is logged of it: what both middlewares have in common."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from logship.handler.context import Trace, bind, current_fields, current_trace
from logship.handler.levels import level_number
from logship.schema.encode import safe_text

__all__ = ["PATH_SAFE", "Exchange", "Options"]

PATH_SAFE = "/:@!$&'()*+,;=~"  # what a path may hold unquoted (RFC 3986)

ACCESS_LOGGERS = ("uvicorn.access", "gunicorn.access", "hypercorn.access")
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}").fullmatch  # what may go back in a header


@dataclass(frozen=True, slots=True)
class Options:
    """What the middlewares take, checked.

    Attributes:
        skip: Paths without a record; with ``*`` at the end, all that begin so.
        user_id: From ASGI's scope or WSGI's environment to the user's id.
    """

    logger: logging.Logger
    level: int
    slow_ms: float
    skip: tuple[str, ...]
    user_id: Callable[[Any], object] | None
    request_id_header: str

    @classmethod
    def of(
        cls,
        *,
        logger: str,
        level: int | str,
        slow_ms: float,
        skip: Iterable[str],
        user_id: Callable[[Any], object] | None,
        request_id_header: str,
        silence_access_logs: bool,
    ) -> Options:
        """Return the options.

        Raises:
            ValueError: There is no such level.
        """
        if silence_access_logs:
            for name in ACCESS_LOGGERS:
                logging.getLogger(name).addFilter(_nothing)
        paths = (skip,) if isinstance(skip, str) else tuple(skip)
        number = level_number(level)
        return cls(logging.getLogger(logger), number, slow_ms, paths, user_id, request_id_header)

    def skips(self, path: str) -> bool:
        """Whether requests of *path* have no record."""
        return any(
            path.startswith(one[:-1]) if one.endswith("*") else path == one for one in self.skip
        )


class Exchange:
    """A request on its way, from when it came until its record is written, once.

    Attributes:
        request_id: The client's, or a new one.
        status: As the response began with; None before.
        route: The pattern that the path matched, as far as the framework says it.
    """

    def __init__(
        self, options: Options, fields: dict[str, Any], path: str, request_id: str | None
    ) -> None:
        usable = request_id is not None and _REQUEST_ID(request_id)
        self.request_id = request_id if request_id and usable else uuid.uuid4().hex
        self.status: int | None = None
        self.route: str | None = None
        self._options, self._fields, self._path = options, fields, path
        self._user_id: object = None
        self._trace: Trace | None = None
        self._started = time.perf_counter()
        self._ended: float | None = None
        self._is_recorded = options.skips(path)

    def begin_response(self, status: int, request: Mapping[str, Any], route: str | None) -> None:
        """The application answers: what it found out about *request* can be read now."""
        self.status, self.route = status, route
        # A tracing library inside of us has its span around this, and not around the end.
        self._trace = current_trace()
        if self._options.user_id is not None and not self._is_recorded:
            try:
                self._user_id = self._options.user_id(request)
            except Exception as error:  # the answer goes out whatever the callback does
                self._options.logger.warning(
                    "The middleware's user_id callback raised %s: %s",
                    type(error).__name__,
                    safe_text(error),
                )

    def end_response(self) -> None:
        """The last byte was handed over."""
        if self._ended is None:
            self._ended = time.perf_counter()

    def record(self, error: BaseException | None = None) -> None:
        """Write the record; a second call does nothing.

        Args:
            error: What ended the application; a server answers 500 then if nothing was sent.
        """
        if self._is_recorded:
            return
        self._is_recorded = True
        failed = isinstance(error, Exception)
        status = 500 if failed and self.status is None else self.status
        level = self._options.level
        if failed or (status is not None and status >= 500):
            level = max(level, logging.ERROR)
        if not self._options.logger.isEnabledFor(level):
            return
        duration_ms = ((self._ended or time.perf_counter()) - self._started) * 1000
        fields = self._all_fields(status, duration_ms)
        info = (type(error), error, error.__traceback__) if failed and error else None
        with bind(**fields):
            self._options.logger.log(
                level,
                "%s %s %s in %.1f ms",
                self._fields["method"],
                _on_one_line(self._path),
                "without an answer" if status is None else status,
                duration_ms,
                exc_info=info,
            )

    def _all_fields(self, status: int | None, duration_ms: float) -> dict[str, Any]:
        fields = {
            **self._fields,
            "path": self._path,
            "route": self.route,
            "status": status,
            "duration_ms": round(duration_ms, 3),
            "user_id": self._user_id,
            "request_id": self.request_id,
        }
        if self._trace is not None:
            fields["trace_id"], fields["span_id"] = self._trace
        tags = list(current_fields().get("tags") or ())
        if duration_ms >= self._options.slow_ms:
            tags.append("slow_request")
        if self._ended is None:
            tags.append("response_incomplete")
        if tags:
            fields["tags"] = tags
        return {name: value for name, value in fields.items() if value not in (None, "")}


def _on_one_line(path: str) -> str:
    return path if path.isprintable() else path.encode("unicode_escape").decode()


def _nothing(record: logging.LogRecord) -> bool:
    return False
