"""``WSGIMiddleware``: a trace and a record for every request of a WSGI application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from typing import Any, TypeAlias
from urllib.parse import quote

from logship.handler.context import bind, trace
from logship.handler.exchange import PATH_SAFE, Exchange, Options

__all__ = ["WSGIMiddleware"]

Environment: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
App: TypeAlias = Callable[[Environment, StartResponse], Iterable[bytes]]


class WSGIMiddleware:
    """Wraps a WSGI application (Flask, Django, Pyramid, …).

    As :class:`logship.ASGIMiddleware` in all that is logged. A body that is streamed runs in
    the request's context, too, and the record is written when it ends.

    ``client_ip`` is ``REMOTE_ADDR``; behind a proxy let the framework correct it (Werkzeug's
    ``ProxyFix``) outside of this middleware.

    Args:
        app: The application.
        logger: Name of the logger for the requests.
        level: Of their records.
        slow_ms: From this duration on a request is tagged ``slow_request``.
        skip: Paths without a record, like ``/health``; ``/internal/*`` is all that begin so.
        user_id: Called with the environment when the response begins (Flask's ``g`` and
            ``session`` are there then); returns the user's id or None.
        request_id_header: Read from the request and set on the response.
        silence_access_logs: Drop the access lines of gunicorn and others, which say the same.

    Raises:
        ValueError: There is no such *level*.
    """

    def __init__(
        self,
        app: App,
        *,
        logger: str = "logship.access",
        level: int | str = "INFO",
        slow_ms: float = 1000.0,
        skip: Iterable[str] = (),
        user_id: Callable[[Environment], object] | None = None,
        request_id_header: str = "X-Request-ID",
        silence_access_logs: bool = False,
    ) -> None:
        self._app = app
        self._variable = "HTTP_" + request_id_header.upper().replace("-", "_")
        self._options = Options.of(
            logger=logger,
            level=level,
            slow_ms=slow_ms,
            skip=skip,
            user_id=user_id,
            request_id_header=request_id_header,
            silence_access_logs=silence_access_logs,
        )

    def __call__(self, environ: Environment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        # A context of its own, in which the streamed body runs as well: a ``with`` around
        # this call would have ended by then.
        context = copy_context()
        exchange = context.run(self._begin, environ)
        answer = _Answer(self._options, exchange, environ, start_response)
        try:
            body = context.run(self._app, environ, answer.start_response)
        except BaseException as error:
            context.run(exchange.record, error)
            raise
        wrapper = environ.get("wsgi.file_wrapper")
        is_file = isinstance(wrapper, type) and isinstance(body, wrapper)
        if is_file or isinstance(body, (list, tuple)):
            # Servers treat these better when they see them as they are.
            context.run(answer.end)
            return body
        return _Body(body, context, answer)

    def _begin(self, environ: Environment) -> Exchange:
        path = _text(environ.get("SCRIPT_NAME", "")) + _text(environ.get("PATH_INFO", ""))
        exchange = Exchange(
            self._options, _fields(environ, path), path or "/", environ.get(self._variable)
        )
        trace(traceparent=environ.get("HTTP_TRACEPARENT", "")).__enter__()
        bind(request_id=exchange.request_id).__enter__()
        return exchange


class _Answer:
    """Sees the response begin and end."""

    def __init__(
        self,
        options: Options,
        exchange: Exchange,
        environ: Environment,
        start_response: StartResponse,
    ) -> None:
        self._header = options.request_id_header
        self._exchange, self._environ, self._start = exchange, environ, start_response
        self._error: BaseException | None = None

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Any:
        """Hand on the beginning, with the request id."""
        if exc_info:
            self._error = exc_info[1]
        number = int(status[:3]) if status[:3].isdigit() else 500
        self._exchange.begin_response(number, self._environ, _route(self._environ))
        if not any(name.lower() == self._header.lower() for name, _ in headers):
            headers = [*headers, (self._header, self._exchange.request_id)]
        return self._start(status, headers, exc_info) if exc_info else self._start(status, headers)

    def end(self) -> None:
        """The body is complete."""
        self._exchange.end_response()
        self._exchange.record(self._error)

    def stop(self, error: BaseException | None) -> None:
        """The body ends before its end."""
        self._exchange.record(error or self._error)


class _Body(Iterator[bytes]):
    """The application's body, run in the request's context."""

    def __init__(self, body: Iterable[bytes], context: Context, answer: _Answer) -> None:
        self._body, self._context, self._answer = body, context, answer
        self._parts: Iterator[bytes] | None = None

    def __next__(self) -> bytes:
        try:
            if self._parts is None:
                self._parts = self._context.run(iter, self._body)
            return self._context.run(next, self._parts)
        except StopIteration:
            self._context.run(self._answer.end)
            raise
        except BaseException as error:
            self._context.run(self._answer.stop, error)
            raise

    def close(self) -> None:
        """Close the application's body, as servers must."""
        error: BaseException | None = None
        try:
            if (close := getattr(self._body, "close", None)) is not None:
                self._context.run(close)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._context.run(self._answer.stop, error)


def _fields(environ: Environment, path: str) -> dict[str, Any]:
    query = _text(environ.get("QUERY_STRING", ""))
    quoted = quote(path or "/", safe=PATH_SAFE)
    return {
        "method": environ.get("REQUEST_METHOD", "GET"),
        "url": f"{quoted}?{query}" if query else quoted,
        "client_ip": environ.get("REMOTE_ADDR"),
        "user_agent": environ.get("HTTP_USER_AGENT"),
    }


def _route(environ: Environment) -> str | None:
    """What Flask leaves behind while the response begins: ``/orders/<int:id>``."""
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    return getattr(rule, "rule", None)


def _text(value: str) -> str:
    """WSGI carries bytes as Latin-1 text."""
    return value.encode("latin-1", "replace").decode("utf-8", "replace")
